// One job for many submits in a row, once there was quiet: on virtual time, and on each kind of store.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { call, connect, task, UsageError } from "../../../src/index.ts";
import { InlinePool } from "../../../src/pool/index.ts";
import type { TaskOptions } from "../../../src/index.ts";
import { explain } from "../../../src/fleet/explain.ts";
import { plan } from "../../../src/fleet/plan.ts";
import { Replacing } from "../../../src/fleet/replacing.ts";
import { memoryStore } from "../../../src/store/index.ts";
import type { Added } from "../../../src/store/store.ts";
import { TestClock } from "../../../src/testing/index.ts";
import * as jobs from "../../fixtures/jobs.ts";
import { folder } from "../../fixtures/support.ts";
import { networks } from "../../servers/fresh.ts";
import { fleet } from "./fleet.ts";

let ran: string[] = [];
const save = task("debounce.save", (doc: string, text: string) => void ran.push(`${doc} ${text}`), {
  debounce: { wait: "10s", maxWait: "25s", key: (doc) => doc },
});
const patient = save.with({ debounce: { wait: "10s" } });

test("the job that is to be replaced is read once, whatever is to be known of it", async () => {
  let reads = 0;
  const clock = new TestClock();
  const store = memoryStore({ runtime: clock });
  const replaces = {
    now: () => store.now(),
    change: store.change.bind(store),
    get: (ids: readonly string[]) => {
      reads += 1;
      return store.get(ids);
    },
  };
  const replacing = new Replacing(replaces, async ({ jobs }) => (await store.add(jobs, store.now()))[0] as Added);
  const labelled = save.with({ requires: { gpu: "yes" } });
  const submit = (text: string) => clock.run(replacing.submit(plan(call(labelled, "a", text), clock, clock.now())));
  const { id } = await submit("1");
  assert.equal(reads, 0);
  assert.equal((await submit("2")).existing, id);
  assert.equal(reads, 1);
  await store.close();
});

test("a submit puts the job of its key off, and its arguments are those of the last", async (t) => {
  const { program, clock } = fleet(t);
  ran = [];
  const began = clock.now();
  const client = program([save]);
  const first = client.submit(save, "a", "1");
  const other = client.submit(save, "b", "1");
  await clock.advance("6s");
  const second = client.submit(save, "a", "2");
  assert.equal(await clock.run(second.submitted), first.id);
  await clock.run(other);
  assert.equal(clock.now() - began < 10_100, true);
  assert.deepEqual(ran, ["b 1"]);
  await clock.run(Promise.all([first, second]));
  assert.deepEqual([Math.floor((clock.now() - began) / 1000), ran], [16, ["b 1", "a 2"]]);
  const third = client.submit(save, "a", "3");
  assert.notEqual(await clock.run(third.submitted), first.id);
  await clock.run(third);
  assert.equal(Math.floor((clock.now() - began) / 1000), 26);
});

test("however often it is submitted, it is due maxWait after the first submit; without one it is put off for ever", async (t) => {
  const { program, clock, store } = fleet(t);
  ran = [];
  const client = program([save]);
  const began = clock.now();
  let first: Promise<unknown> | undefined;
  for (let i = 1; i <= 24; i++) {
    const future = client.submit(save, "a", String(i));
    if (!first) first = future.then(() => t.diagnostic(`ran after ${clock.now() - began} ms`));
    await clock.advance("1s");
  }
  assert.deepEqual(ran, []);
  await clock.run(first ?? Promise.resolve());
  assert.deepEqual([Math.floor((clock.now() - began) / 1000), ran], [25, ["a 24"]]);
  assert.equal(await store.count({}), 1);
  for (let i = 1; i <= 60; i++) {
    await clock.run(client.submit(patient, "b", String(i)).submitted);
    await clock.advance("9s");
  }
  assert.deepEqual(ran, ["a 24"]);
  await clock.advance("2s");
  assert.deepEqual(ran, ["a 24", "b 60"]);
});

test("a job that is due and has no worker yet is put off, but not beyond maxWait; a deadline counts from the last submit", async (t) => {
  const { program, clock, store } = fleet(t);
  ran = [];
  const client = program();
  const hurried = save.with({ deadline: "12s" });
  for (const text of ["1", "2", "3"]) {
    await clock.run(client.submit(hurried, "a", text).submitted);
    await clock.advance("11s");
    await store.tend(clock.now(), 10);
  }
  assert.deepEqual(
    (await store.list({}, { limit: 9 })).map(({ state }) => state),
    ["ready"],
  );
  program([save]);
  await clock.advance("500ms");
  assert.deepEqual(ran, ["a 3"]);
});

test("explain says that it is put off, until when, and until when at the latest", async (t) => {
  const { program, clock, store } = fleet(t);
  const client = program();
  const id = await clock.run(client.submit(save, "a", "1").submitted);
  await clock.advance("2s");
  const endless = await clock.run(client.submit(patient, "b", "1").submitted);
  const text = async (of: string): Promise<string | undefined> =>
    (await explain(store, of, async (jobs) => jobs))?.reasons[0]?.text;
  assert.equal(await text(id), "It is debounced, and due in 8.0 s unless it is submitted again, in 23.0 s at the latest.");
  assert.equal(await text(endless), "It is debounced, and due in 10.0 s unless it is submitted again.");
});

test("what makes no sense is refused where it is defined or submitted", async (t) => {
  const { program } = fleet(t);
  const wrong = (options: TaskOptions<[string, string]>, says: RegExp): void => {
    assert.throws(
      () => task("debounce.wrong", (_doc: string, _text: string) => 1, options as TaskOptions<[string, string], number>),
      (error: Error) => {
        assert.match(error.message, says);
        return error instanceof UsageError;
      },
    );
  };
  const debounce = { wait: "10s" } as const;
  wrong({ debounce: { wait: 0 } }, /debounce.wait must be longer than 0/);
  wrong({ debounce: { wait: "10s", maxWait: "9s" } }, /maxWait .* is shorter than its wait/);
  wrong({ debounce: { wait: "10s", maxwait: "9s" } as never }, /Did you mean "maxWait"/);
  wrong({ debounce, unique: {} }, /both "unique" and "debounce"/);
  wrong({ debounce, throttle: { per: "1s" } }, /both "throttle" and "debounce"/);
  wrong({ debounce, delay: "1s" }, /both "debounce" and "delay"/);
  wrong({ debounce, expires: "10s" }, /can never start: its debounce.wait \("10s"\) is not shorter than its expires/);
  const echo = task("debounce.echo", (text: string) => text);
  assert.throws(
    () => program().submit(call(save, "a", call(echo, "b"))),
    /Task "debounce.save" has a "debounce".*results of other calls/,
  );
  await using pool = new InlinePool();
  assert.throws(() => void pool.submit(save, "a", "1"), /has a "debounce", which a fleet's store keeps/);
});

const stores = [
  { kind: "memory", skip: false, fresh: () => "memory:" },
  { kind: "SQLite", skip: false, fresh: (t: TestContext) => `sqlite:${join(folder(t), "hands.db")}` },
  ...networks().map(({ kind, given, fresh }) => ({ kind, skip: "skip" in given && given.skip, fresh: () => fresh() })),
];

for (const { kind, skip, fresh } of stores) {
  test(
    `debouncing on ${kind}: several clients at once make one job, and all get the last call's result`,
    { skip, timeout: 60_000 },
    async (t) => {
      const url = fresh(t);
      await using hands = await connect(url);
      hands.work({ tasks: [jobs.settled] });
      const clients = kind === "memory" ? [hands, hands] : [await connect(url), await connect(url)];
      const settled = jobs.settled.with({ debounce: { wait: "500ms", maxWait: "20s", key: (key) => key } });
      const submit = async (name: string): Promise<string[]> => {
        const results: Promise<string>[] = [];
        for (let i = 1; i <= 20; i++) {
          const future = clients[name === "x" ? 0 : 1]?.submit(settled, "k", `${name} ${i}`);
          if (!future) throw new Error("no client");
          await future.submitted;
          results.push(future);
        }
        return Promise.all(results);
      };
      const results = new Set((await Promise.all([submit("x"), submit("y")])).flat());
      // Where a machine stands still for half a second there may be a job in between.
      assert.ok(results.size <= 2, [...results].join(", "));
      assert.match([...results].at(-1) ?? "", /^[xy] 20$/);
      assert.equal(await hands.count({}), results.size);
      for (const client of new Set(clients)) if (client !== hands) await client.close();
    },
  );
}
