// Children and durable steps of tasks in threads and processes.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CancelledError, connect, UsageError } from "../../src/index.ts";
import { ProcessPool, ThreadPool } from "../../src/pool/index.ts";
import * as asking from "../fixtures/asking.ts";
import { folder, until } from "../fixtures/support.ts";

const { mergeSort, order, squares } = asking;
const shuffled = Array.from({ length: 12 }, (_, n) => (n * 7) % 12);
const sorted = shuffled.toSorted((a, b) => a - b);
const lines = (file: string): string[] => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : []);

for (const on of ["thread", "process"] as const) {
  test(`a ${on}'s task submits children, also where there is one ${on}`, async () => {
    await using hands = await connect("memory:");
    hands.work({ tasks: [mergeSort.with({ on }), squares.with({ on }), asking.square], threads: 1, processes: 1 });
    assert.deepEqual(await hands.submit(mergeSort.with({ on }), shuffled), sorted);
    assert.equal(await hands.submit(squares.with({ on }), 10), 285);
    assert.equal(await hands.count({ states: ["done"] }), 2 * shuffled.length - 1 + 11);
  });

  test(`a ${on}'s task takes durable steps, sleeps, waits for signals and undoes`, async (t) => {
    const file = join(folder(t), "lines");
    await using hands = await connect("memory:");
    const placed = order.with({ on, retries: 1, backoff: { initial: 1 } });
    hands.work({ tasks: [placed], threads: 1, processes: 1 });
    const future = hands.submit(placed, file);
    const isWaiting = async (): Promise<boolean> => (await hands.jobs({ states: ["waiting"] })).length === 1;
    await until("it waits for the signal", isWaiting);
    await hands.signal(future.id, "go", "on");
    assert.equal(await future, 3);
    assert.deepEqual(lines(file), ["pay", "send"]);

    const failing = hands.submit(placed, file);
    await hands.signal(failing.id, "go", "fail");
    await assert.rejects(failing, /told to fail/);
    assert.deepEqual(lines(file).slice(2), ["pay", "send", "undo send", "undo pay 3"]);

    const cancelled = hands.submit(placed, file);
    await until("it waits", isWaiting);
    await cancelled.cancel();
    await assert.rejects(cancelled, CancelledError);
    assert.deepEqual(lines(file).slice(6), ["pay", "undo pay 3"]);
  });
}

test("a child that a thread's task cannot submit rejects what was asked for, and nothing else", async () => {
  await using hands = await connect("memory:");
  hands.work({ tasks: [asking.refused.with({ on: "thread" }), asking.square], threads: 1 });
  assert.equal(await hands.submit(asking.refused.with({ on: "thread" })), "UsageError");
});

test("in pools of threads and processes the same calls work, but nothing is remembered and there are no signals", async (t) => {
  const file = join(folder(t), "lines");
  for (const pool of [new ThreadPool({ size: 1 }), new ProcessPool({ size: 1 })]) {
    assert.deepEqual(await pool.submit(mergeSort, shuffled), sorted);
    assert.equal(await pool.submit(squares, 10), 285);
    await assert.rejects(pool.submit(order.with({ retries: 1, backoff: { initial: 1 } }), file), UsageError);
    await pool.close();
  }
  const once = ["pay", "undo pay 3", "pay", "undo pay 3"];
  assert.deepEqual(lines(file), [...once, ...once]);
});
