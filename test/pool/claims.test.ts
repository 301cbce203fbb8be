// Each element has one owner, whatever worker and parent do at the same time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Claims, largestBatch } from "../../src/pool/claims.ts";

test("elements are claimed in order, until none is left", () => {
  const claims = new Claims();
  claims.open(1, 3);
  assert.deepEqual([claims.claim(1, 5), claims.claim(1, 6), claims.claim(1, 7), claims.claim(1, 8)], [0, 1, 2, -1]);
  assert.equal(claims.claim(0, 9), -1);
});

test("what is taken back is the worker's no more", () => {
  const claims = new Claims();
  claims.open(0, 10);
  claims.claim(0, 1);
  assert.deepEqual(claims.take(0, 0, 0.5), { next: 1, end: 5, since: 1, isImporting: false });
  assert.deepEqual(claims.take(0, 3, 0), { next: 1, end: 3, since: 1, isImporting: false });
  assert.deepEqual(claims.take(0, largestBatch, 0), { next: 1, end: 3, since: 1, isImporting: false });
  assert.equal(claims.upcoming(0), 1);
  assert.deepEqual(claims.take(0, 0, 0), { next: 1, end: 1, since: 1, isImporting: false });
  assert.equal(claims.upcoming(0), -1);
  assert.equal(claims.claim(0, 2), -1);
});

test("the last of two is taken by one who takes a share", () => {
  const claims = new Claims();
  claims.open(0, 2);
  claims.claim(0, 1);
  assert.equal(claims.take(0, 0, 0.5).end, 1);
});

test("the largest batch fits", () => {
  const claims = new Claims();
  claims.open(0, largestBatch);
  for (let i = 0; i < largestBatch; i++) assert.equal(claims.claim(0, 1), i);
  assert.equal(claims.claim(0, 1), -1);
});

test("a thread that claims and a parent that takes never own the same element", async () => {
  const claims = new Claims();
  const rounds = 200;
  const count = 2000;
  const source = `
    const { workerData, parentPort } = require("node:worker_threads");
    import(workerData.url).then(({ Claims }) => {
      const claims = new Claims(workerData.memory);
      parentPort.on("message", () => {
        let claimed = 0;
        while (claims.claim(0, 1) >= 0) claimed += 1;
        parentPort.postMessage(claimed);
      });
      parentPort.postMessage("ready");
    });`;
  const url = new URL("../../src/pool/claims.ts", import.meta.url).href;
  const worker = new Worker(source, { eval: true, workerData: { url, memory: claims.memory } });
  const next = (): Promise<unknown> => new Promise((resolve) => worker.once("message", resolve));
  await next();
  for (let round = 0; round < rounds; round++) {
    claims.open(0, count);
    const answer = next();
    worker.postMessage("go");
    let end = count;
    while (claims.upcoming(0) >= 0) ({ end } = claims.take(0, 0, 0.9));
    assert.equal(await answer, end);
  }
  await worker.terminate();
});
