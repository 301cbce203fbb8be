// Limits on a SQLite file that two programs share, each with a worker, in real time.
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { batchTask, connect, context, snooze, task } from "../../../src/index.ts";
import type { Hands } from "../../../src/index.ts";
import type { AnyTask } from "../../../src/task/task.ts";
import { folder } from "../../fixtures/support.ts";

async function two(t: TestContext, tasks: readonly AnyTask[]): Promise<Hands> {
  const url = `sqlite:${join(folder(t), "hands.db")}`;
  const [one, other] = [await connect(url), await connect(url)];
  t.after(() => Promise.all([one.close(), other.close()]));
  one.work({ tasks });
  other.work({ tasks });
  return one;
}

const inputs = Array.from({ length: 24 }, (_, n) => n);

test("on SQLite two workers together keep a concurrency, in all and for each key", async (t) => {
  const running = new Set<number>();
  let most = 0;
  const limited = task(
    "sqlite.places",
    async (n: number) => {
      assert.ok(![...running].some((other) => other % 6 === n % 6), "two of a key");
      running.add(n);
      most = Math.max(most, running.size);
      await delay(5);
      running.delete(n);
      return n;
    },
    { concurrency: [3, { limit: 1, key: (n) => `key ${n % 6}` }] },
  );
  const hands = await two(t, [limited]);
  assert.deepEqual(await hands.map(limited, inputs), inputs);
  assert.equal(most, 3);
});

test("keys cut through the middle of a character hold up nobody", async (t) => {
  const cut = (name: string): string => name.slice(0, 1);
  const limited = task("sqlite.cut.limited", (name: string) => name, { concurrency: { limit: 1, key: cut } });
  const fair = task("sqlite.cut.fair", (name: string) => name, { fair: { key: cut } });
  const once = task("sqlite.cut.once", (name: string) => name, { unique: { key: cut } });
  const asking = task("sqlite.cut.step", () => context().step(cut("😀"), () => context().waitFor(cut("😀"))));
  const tasks = [limited, fair, once] as const;
  const hands = await two(t, [...tasks, asking]);
  assert.deepEqual(await Promise.all(tasks.map((each) => hands.submit(each, "😀"))), ["😀", "😀", "😀"]);
  const asked = hands.submit(asking);
  await hands.signal(asked.id, cut("😀"), "yes");
  assert.equal(await asked, "yes");
});

test("on SQLite two workers together keep a rate", async (t) => {
  const paced = task("sqlite.rate", () => 0, { rate: { limit: 20, per: "1s", burst: 4 } });
  const hands = await two(t, [paced]);
  await Promise.all(inputs.slice(0, 12).map(() => hands.submit(paced)));
  // When the store let each pass, and not when its worker got to it, which on a busy machine is any time later.
  const passed = (await hands.jobs({ task: "sqlite.rate" })).map(({ readyAt }) => readyAt ?? NaN).sort((a, b) => a - b);
  for (const [i, from] of passed.entries()) {
    // Four at once, and one more for each 50 ms; times are in whole ms.
    for (const [more, at] of passed.slice(i).entries()) assert.ok(more + 1 <= 4 + (at - from + 2) / 50, `${i} to ${i + more}`);
  }
  assert.equal(passed.length, 12);
});

test("on SQLite: fair shares, throttling, snoozing and batches", async (t) => {
  const fair = task("sqlite.fair", (n: number) => n, { fair: { key: (n) => String(n % 2) } });
  const refresh = task("sqlite.refresh", () => Math.random(), { throttle: { per: "1m" } });
  let asked = 0;
  const late = task("sqlite.late", () => {
    if (++asked < 3) throw snooze(5);
    return asked;
  });
  const sizes: number[] = [];
  const many = batchTask(
    "sqlite.many",
    (all: readonly number[]) => {
      sizes.push(all.length);
      return all.map((n) => -n);
    },
    { batch: { size: 24, wait: "200ms" } },
  );
  const hands = await two(t, [fair, refresh, late, many]);
  assert.deepEqual(await hands.map(fair, inputs), inputs);
  const [one, other] = await Promise.all([hands.submit(refresh), hands.submit(refresh)]);
  assert.equal(one, other);
  assert.equal(await hands.submit(late), 3);
  assert.deepEqual(
    await hands.map(many, inputs),
    inputs.map((n) => -n),
  );
  assert.ok(Math.max(...sizes) > 1);
});
