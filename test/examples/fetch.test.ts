// The example that waits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runExample } from "./run.ts";

test("fetch overlaps waiting, and waiting with computing", async () => {
  const args = ["--pages", "24", "--wait", "100", "--rounds", "200", "--flight", "8", "--threads", "4"];
  const { code, stdout, stderr } = await runExample("fetch", args);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^ +2\.40 s {2}one request after the other$/m);
  const seconds = Number(/^ +(\d+\.\d+) s {2}InlinePool, 8 requests in flight$/m.exec(stdout)?.[1]);
  assert.ok(seconds >= 0.29 && seconds < 2.4, `three times 0.1 s took ${seconds} s`);
  assert.match(stdout, /^ +\d+\.\d+ s {2}ThreadPool, 4 threads on \d+ cores, start-up included$/m);
});
