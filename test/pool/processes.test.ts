// The ProcessPool passes the executor suite, and keeps the promises that only processes can make.
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { spawnSync } from "node:child_process";
import { CodecError, WorkerDiedError } from "../../src/index.ts";
import { ProcessPool } from "../../src/pool/index.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";
import { folder, isAlive, pidsIn, Program, until, workerCases } from "./shared-cases.ts";
import { abort, double, hoard, killSelf, pid, spin, stay, title } from "./tasks.ts";
import { echo } from "../../src/testing/executor-suite/tasks.ts";

executorConformance("ProcessPool", (wish) => new ProcessPool(wish), {
  skip: [{ reason: "Processes share no memory.", tests: ["shared memory passes by reference"] }],
});
workerCases("process", (options) => new ProcessPool(options));

const linesOf = (file: string): string[] => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : []);

test("a process killed from outside fails exactly what it ran", async (t) => {
  const file = join(folder(t), "pids");
  await using pool = new ProcessPool({ size: 2 });
  const stuck = pool.submit(stay.with({ crashes: 0 }), file);
  const [killed] = await pidsIn(() => linesOf(file), 1);
  const others = pool.map(double, [1, 2, 3]);
  process.kill(killed as number, "SIGKILL");
  await assert.rejects(stuck, (error: WorkerDiedError) => {
    assert.ok(error instanceof WorkerDiedError);
    assert.equal(error.reason, "signal");
    assert.equal(error.detail, "SIGKILL");
    return true;
  });
  assert.deepEqual(await others, [2, 4, 6]);
});

test("a task whose process is killed runs again in another", async (t) => {
  const file = join(folder(t), "pids");
  await using pool = new ProcessPool({ size: 1 });
  const stuck = pool.submit(spin.with({ crashes: 1 }), file);
  const [first] = await pidsIn(() => linesOf(file), 1);
  process.kill(first as number, "SIGKILL");
  const [, second] = await pidsIn(() => linesOf(file), 2);
  assert.notEqual(second, first);
  process.kill(second as number, "SIGKILL");
  await assert.rejects(
    stuck,
    /failed: the process that (ran it|imported .* for it) was ended by SIGKILL\. This has happened 2 times; /,
  );
});

test("one of many short tasks that kills its process is found, and every other one gives its result", async (t) => {
  const file = join(folder(t), "ran");
  await using pool = new ProcessPool({ size: 2 });
  const numbers = Array.from({ length: 400 }, (_, i) => i);
  await pool.starmap(
    killSelf,
    numbers.map((n): [string, number, number] => [join(folder(t), "warm"), n, -1]),
  );
  const outcomes = await pool
    .starmap(
      killSelf.with({ crashes: 0 }),
      numbers.map((n): [string, number, number] => [file, n, 200]),
    )
    .settled();
  assert.deepEqual(
    outcomes.flatMap(({ status }, i) => (status === "rejected" ? [i] : [])),
    [200],
  );
});

test("a process whose heap is full dies alone, and says so", async () => {
  await using pool = new ProcessPool({ size: 1, execArgv: ["--max-old-space-size=48"] });
  await assert.rejects(pool.submit(hoard.with({ crashes: 0 })), (error: WorkerDiedError) => {
    assert.ok(error instanceof WorkerDiedError);
    assert.equal(error.reason, "out-of-memory");
    return true;
  });
  assert.equal(await pool.submit(double, 4), 8);
});

test("a task that aborts its process is not taken for a full heap", async () => {
  await using pool = new ProcessPool({ size: 1 });
  await assert.rejects(pool.submit(abort.with({ crashes: 0 })), { reason: "signal", detail: "SIGABRT" });
});

test("when the program is killed, its processes end with it, busy or not", async (t) => {
  const file = join(folder(t), "pids");
  const run = new Program(t, new URL("programs/parent.ts", import.meta.url).pathname, [file]);
  const pids = await pidsIn(() => linesOf(file), 2);
  assert.ok(pids.every(isAlive));
  run.kill("SIGKILL");
  await run.exited;
  await until("both processes have ended", () => !pids.some(isAlive));
});

test("processes ignore the signals of a terminal", async (t) => {
  const file = join(folder(t), "pids");
  await using pool = new ProcessPool({ size: 1 });
  const id = await pool.submit(pid);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.kill(id, signal);
  assert.equal(await pool.submit(pid), id);
  appendFileSync(file, "");
});

test("closing a pool ends its processes", async () => {
  const pool = new ProcessPool({ size: 1, name: "manyhands-test" });
  assert.equal(await pool.submit(title), "manyhands-test");
  const id = await pool.submit(pid);
  await pool.close();
  assert.ok(!isAlive(id));
});

test("shared memory is refused with its path", async () => {
  await using pool = new ProcessPool({ size: 1 });
  const shared = new Int32Array(new SharedArrayBuffer(8));
  assert.throws(
    () => pool.submit(echo, { deep: [shared] }),
    (error: CodecError) => error instanceof CodecError && error.path === "args[0].deep[0]",
  );
});

test("large values cross in one piece", async () => {
  await using pool = new ProcessPool({ size: 1 });
  const bytes = new Uint8Array(20_000_000).map((_, i) => i % 251);
  const [back, text] = (await pool.submit(echo, [bytes, "x".repeat(3_000_000)])) as [Uint8Array, string];
  assert.equal(Buffer.compare(back, bytes), 0);
  assert.equal(text.length, 3_000_000);
  const buffer = (await pool.submit(echo, Buffer.from("a buffer"))) as Uint8Array;
  assert.equal(buffer.constructor, Uint8Array);
  assert.equal(Buffer.from(buffer).toString(), "a buffer");
});

test("processes that cannot be started fail the calls, with the reason", async () => {
  await using pool = new ProcessPool({ size: 2, execArgv: ["--no-such-option"] });
  for (const outcome of await Promise.allSettled([pool.submit(double, 1), pool.submit(double, 2), pool.map(double, [1, 2])])) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof WorkerDiedError);
    assert.match(outcome.reason.message, /no process could be started.*exited with code 9/);
  }
});

test("processes that cannot be started are tried only now and then, and let the program end", async (t) => {
  const file = join(folder(t), "starts");
  const run = new Program(t, new URL("programs/cannot-start.ts", import.meta.url).pathname, [file]);
  assert.equal(await run.exited, 0);
  assert.match(run.output, /^(WORKER_DIED: Task "pool\.double" cannot run: no process could be started\. .* code 3\..*\n){4}$/);
  // One trial for each of four calls, after two processes for the first.
  assert.ok(linesOf(file).length <= 12, `${linesOf(file).length} processes were started`);
});

test("a process that cannot be spawned for want of descriptors is a failed start, and the next call finds another", () => {
  const program = new URL("programs/no-descriptors.ts", import.meta.url).pathname;
  const run = spawnSync("sh", ["-c", 'ulimit -n 128; exec "$0" "$1"', process.execPath, program], { encoding: "utf8" });
  assert.match(
    run.stdout,
    /^WORKER_DIED: .*no process could be started\. The last attempt failed: spawn .* EMFILE\..*\n8\n$/,
    run.stderr,
  );
});
