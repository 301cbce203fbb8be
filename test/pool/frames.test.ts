// Frames come out as they went in, however the pipe cuts them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameReader, headerBytes, headerOf } from "../../src/pool/processes/frames.ts";
import type { Header } from "../../src/pool/processes/frames.ts";
import { processExecArgv, threadExecArgv } from "../../src/pool/exec-argv.ts";
import { deserialize, serialize } from "../../src/pool/processes/serialize.ts";
import { seededRandom } from "../../src/testing/clock.ts";

test("frames survive any cutting", () => {
  const seed = Math.floor(Math.random() * 1e9);
  const random = seededRandom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const sent = Array.from({ length: 300 }, () => ({
    header: { op: below(6), slot: below(2), a: below(65_536), b: below(65_536), tag: below(65_536), value: random() },
    payload: Buffer.from(Array.from({ length: random() < 0.3 ? 0 : below(200) }, () => below(256))),
  }));
  const bytes = Buffer.concat(sent.flatMap(({ header, payload }) => [headerOf(header, payload.length), payload]));
  const got: { header: Header; payload: Buffer }[] = [];
  const reader = new FrameReader((header, payload) => got.push({ header, payload }));
  for (let at = 0; at < bytes.length;) {
    const next = Math.min(bytes.length, at + 1 + below(random() < 0.5 ? 8 : 400));
    reader.push(bytes.subarray(at, next));
    at = next;
  }
  assert.deepEqual(got, sent, `seed ${seed}`);
});

test("a payload has memory of its own", () => {
  const payloads: Buffer[] = [];
  new FrameReader((_, payload) => payloads.push(payload)).push(Buffer.concat([headerOf({ op: 0 }, 3), Buffer.from("abc")]));
  assert.equal(payloads[0]?.buffer.byteLength, 3);
  assert.equal(headerOf({ op: 1 }, 0).length, headerBytes);
});

test("serialized values are those of a structured clone", () => {
  const view = new Float64Array(new Float64Array([1, 2, 3]).buffer, 8, 1);
  const value = { map: new Map([[1n, new Set(["a"])]]), view, date: new Date(5), text: "é\ud800" };
  const got = deserialize(serialize(value)) as typeof value;
  assert.deepEqual(got, structuredClone(value));
  assert.equal(got.view.buffer.byteLength, 24);
  assert.equal((deserialize(serialize(Buffer.from("x"))) as object).constructor, Uint8Array);
});

test("processes inherit loaders and flags, not what this program is to run", () => {
  const given = [
    "--import",
    "tsx",
    "--inspect-brk=9229",
    "-e",
    "1 + 1",
    "--max-old-space-size=100",
    "--test",
    "--watch",
    "-p",
    "2",
    "--input-type",
    "module",
    "--input-type=module",
    "--test-reporter",
    "spec",
    "--watch-path",
    "./src",
    "-pe",
    "3",
  ];
  assert.deepEqual(processExecArgv(given), ["--import", "tsx", "--max-old-space-size=100"]);
  assert.deepEqual(processExecArgv(["-r", "./setup.cjs", "--env-file=.env", "--eval=1"]), [
    "-r",
    "./setup.cjs",
    "--env-file=.env",
  ]);
});

test("threads inherit all by themselves, but not from a program that came by --input-type", () => {
  assert.equal(threadExecArgv(["--import", "tsx", "-e", "1", "--max-old-space-size=100"]), undefined);
  const given = [
    "--input-type=module",
    "--import",
    "tsx",
    "-C",
    "source",
    "--max-old-space-size=100",
    "--require=./a.cjs",
    "-e",
    "1",
  ];
  assert.deepEqual(threadExecArgv(given), ["--import", "tsx", "-C", "source", "--require=./a.cjs"]);
});
