// A submit that takes the place of the one before it, as long as that one has not started.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { call, connect, context, DuplicateJobError, encryption, task, UsageError } from "../../../src/index.ts";
import type { Hands, JobInfo } from "../../../src/index.ts";
import * as jobs from "../../fixtures/jobs.ts";
import { folder, Program, until } from "../../fixtures/support.ts";
import { networks } from "../../servers/fresh.ts";
import { fleet } from "./fleet.ts";

const unique = { key: "one", onConflict: "replace" } as const;
const held = Promise.withResolvers<void>();
const hold = task(
  "replace.hold",
  async (value: string) => {
    await held.promise;
    return value;
  },
  { unique: { ...unique, until: "ended" } },
);
const next = task("replace.next", (value: string) => value, { unique: { ...unique, until: "started" } });
const twice = task("replace.twice", (value: string) => value + value);

test("the job becomes the later call: its arguments, priority, queue, time, limits and expiry, and both get its result", async (t) => {
  const { program, clock, store } = fleet(t);
  const client = program();
  const limited = next.with({ rate: { limit: 5, per: "1s" }, expires: "1h", retries: 2 });
  const first = client.submit(limited, "one");
  const id = await clock.run(first.submitted);
  const again = next.with({ priority: 3, queue: "other", delay: "5s", concurrency: 2 });
  const second = client.submit(again, "two");
  assert.equal(await clock.run(second.submitted), id);
  const [job, ...others] = await store.list({}, { limit: 9 });
  assert.ok(job && others.length === 0);
  const { priority, queue, state, expiresAt, gates, args, policy } = job;
  assert.deepEqual([priority, queue, state, expiresAt, args, policy], [3, "other", "scheduled", null, '["two"]', null]);
  assert.deepEqual(
    gates.map(({ name }) => name),
    ["concurrency/replace.next"],
  );
  program([next], { queues: ["other"] });
  assert.deepEqual(await clock.run(Promise.all([first, second])), ["two", "two"]);
  assert.equal(clock.now() >= job.submittedAt + 5000, true);
});

test("once it has started there is a new job, or a DuplicateJobError where the key is taken until the end", async (t) => {
  const { program, clock, store } = fleet(t);
  const client = program([hold]);
  const first = client.submit(hold, "one");
  await clock.advance("1s");
  assert.deepEqual(
    (await store.list({}, { limit: 9 })).map(({ state }) => state),
    ["running"],
  );
  const refused = client.submit(hold, "two");
  await assert.rejects(clock.run(refused.submitted), (error: Error) => {
    assert.match(error.message, /cannot be replaced.*say unique: \{ until: "started" \}/);
    return error instanceof DuplicateJobError && error.existingId === first.id;
  });
  const other = client.submit(hold.with({ unique: { ...unique, until: "started", key: "other" } }), "three");
  await clock.advance("1s");
  const fourth = client.submit(hold.with({ unique: { ...unique, until: "started", key: "other" } }), "four");
  await clock.run(fourth.submitted);
  held.resolve();
  assert.deepEqual(await clock.run(Promise.all([first, other, fourth])), ["one", "three", "four"]);
  assert.equal(await clock.run(client.submit(hold, "five")), "five");
});

test("submits of one turn: the last one's call runs, for each key", async (t) => {
  const { program, clock, store } = fleet(t);
  const client = program();
  const keyed = next.with({ unique: { ...unique, key: (value) => value.charAt(0) } });
  const futures = ["a1", "b1", "a2", "a3", "b2"].map((value) => client.submit(keyed, value));
  await clock.run(Promise.all(futures.map(({ submitted }) => submitted)));
  assert.equal(await store.count({}), 2);
  program([next]);
  assert.deepEqual(await clock.run(Promise.all(futures)), ["a3", "b2", "a3", "a3", "b2"]);
  assert.deepEqual(await clock.run(client.map(keyed, ["c1", "c2", "d1"])), ["c2", "c2", "d1"]);
});

test("of a thousand submits under way for one key the first and the last one's calls are all that the store is asked for", async (t) => {
  const { program, clock, store } = fleet(t);
  let asked = 0;
  for (const verb of ["add", "change"] as const) {
    const plain = store[verb].bind(store) as (...args: unknown[]) => never;
    store[verb] = (...args: unknown[]) => {
      asked += 1;
      return plain(...args);
    };
  }
  const client = program();
  const futures = Array.from({ length: 1000 }, (_, n) => client.submit(next, `call ${n}`));
  const ids = await clock.run(Promise.all(futures.map(({ submitted }) => submitted)));
  assert.deepEqual([new Set(ids).size, asked], [1, 3]);
  program([next]);
  assert.deepEqual(new Set(await clock.run(Promise.all(futures))), new Set(["call 999"]));
});

test("a call that requires other labels does not take the place of one that does not", async (t) => {
  const { program, clock } = fleet(t);
  const client = program();
  const first = client.submit(next, "anywhere");
  await clock.run(first.submitted);
  const refused = client.submit(next.with({ requires: { gpu: true } }), "on a gpu");
  await assert.rejects(clock.run(refused.submitted), (error: Error) => {
    assert.match(error.message, /requires no labels; a call that requires \{"gpu":true\} cannot take its place/);
    return error instanceof DuplicateJobError && error.existingId === first.id;
  });
  const needy = next.with({ requires: { gpu: true }, unique: { ...unique, key: "other" } });
  const both = [client.submit(needy, "one"), client.submit(needy, "two")];
  await clock.run(Promise.all(both.map(({ submitted }) => submitted)));
  program([next], { labels: { gpu: true } });
  assert.deepEqual(await clock.run(Promise.all([first, ...both])), ["anywhere", "two", "two"]);
});

test("a call that replaces is submitted by itself, with arguments of its own", async (t) => {
  const { program, clock } = fleet(t);
  const client = program();
  const where = /Task "replace.next" has a "unique" with onConflict "replace"/;
  for (const submit of [
    () => client.submit(call(twice, call(next, "a"))),
    () => client.submit(call(next, call(twice, "a"))),
    () => client.submit(call(next, "a"), { onDone: twice }),
    () => client.submit(call(twice, "a"), { onDone: next }),
    () => client.submit(call(next, "a"), { tx: {} }),
  ]) {
    assert.throws(submit, (error: Error) => error instanceof UsageError && where.test(error.message));
  }
  await assert.rejects(client.schedule("s", { every: "1s" }, call(next, "a")), where);
  const parent = task("replace.parent", () => void context().submit(next, "a"));
  program([parent, next]);
  await assert.rejects(clock.run(client.submit(parent)), where);
});

test("a job that needs others is not replaced", async (t) => {
  const { program, clock } = fleet(t);
  const client = program();
  const joined = client.submit(call(next.with({ unique: { key: "one", until: "started" } }), call(twice, "a")));
  await clock.run(joined.submitted);
  await assert.rejects(clock.run(client.submit(next, "b").submitted), DuplicateJobError);
});

test("what replaces is sealed as what was there", async () => {
  const key = "k".repeat(32);
  await using hands = await connect("memory:", { use: [encryption({ keys: { one: Buffer.from(key) }, current: "one" })] });
  const first = hands.submit(next, "one");
  await first.submitted;
  const second = hands.submit(next, "two");
  await second.submitted;
  assert.deepEqual(
    (await hands.jobs()).map(({ args }) => args),
    [["two"]],
  );
  hands.work({ tasks: [next] });
  assert.deepEqual(await Promise.all([first, second]), ["two", "two"]);
});

const stores = [
  { kind: "memory", skip: false, fresh: () => "memory:" },
  { kind: "SQLite", skip: false, fresh: (t: TestContext) => `sqlite:${join(folder(t), "hands.db")}` },
  ...networks().map(({ kind, given, fresh }) => ({ kind, skip: "skip" in given && given.skip, fresh: () => fresh() })),
];

/** What ran, in the order in which the jobs were added. */
async function ran(hands: Hands): Promise<readonly [key: string, value: string][]> {
  const found = await hands.jobs({ task: jobs.latest.name, limit: 10_000 });
  return found.toReversed().map(({ args }: JobInfo) => args as [string, string]);
}

/** Of no program an earlier value ran after a later one, and the last of all is the last of somebody. */
function checkOrder(values: readonly string[], last: number): void {
  const latest = new Map<string, number>();
  for (const value of values) {
    const [name = "", at] = value.split(" ");
    assert.ok(Number(at) > (latest.get(name) ?? 0), `${value} ran after ${name} ${latest.get(name)}`);
    latest.set(name, Number(at));
  }
  assert.equal(values.at(-1)?.split(" ")[1], String(last));
}

for (const { kind, skip, fresh } of stores) {
  test(
    `replacing on ${kind}: several clients at once, while a worker starts what it gets`,
    { skip, timeout: 90_000 },
    async (t) => {
      const url = fresh(t);
      await using hands = await connect(url);
      const worker = hands.work({ tasks: [jobs.latest], concurrency: 1 });
      await worker.ready;
      const clients = kind === "memory" ? [hands, hands, hands] : await Promise.all([0, 1, 2].map(() => connect(url)));
      const count = 40;
      // Some are put off, and come due while others replace them.
      const soon = jobs.latest.with({ delay: "5ms" });
      const submit = async (client: Hands, name: number): Promise<void> => {
        for (let i = 1; i <= count; i++) {
          const futures = ["a", "b"].map((key) => client.submit(i % 3 === 0 ? jobs.latest : soon, key, `p${name} ${i}`));
          await Promise.all(futures.map(({ submitted }) => submitted));
          // What its job comes to is somebody's value for the key, and none of this program's earlier ones.
          for (const [place, future] of futures.entries()) {
            if (i % 10 > 0) continue;
            const [name_, at] = (await future).split(" ");
            assert.ok(name_ !== `p${name}` || Number(at) >= i, `key ${place} of p${name} ${i} gave ${at}`);
          }
        }
      };
      await Promise.all(clients.map((client, name) => submit(client, name)));
      await until("all have ended", async () => (await hands.count({ states: ["ready", "running", "scheduled"] })) === 0);
      const all = await ran(hands);
      for (const key of ["a", "b"]) {
        checkOrder(
          all.filter(([its]) => its === key).map(([, value]) => value),
          count,
        );
      }
      t.diagnostic(`${2 * 3 * count} submits made ${all.length} jobs`);
      for (const client of new Set(clients)) if (client !== hands) await client.close();
    },
  );

  if (kind === "memory") continue;
  test(`replacing on ${kind}: programs at once, of which none works`, { skip, timeout: 90_000 }, async (t) => {
    const url = fresh(t);
    await using hands = await connect(url);
    const count = 30;
    const fixture = join(import.meta.dirname, "../../fixtures/replacer.ts");
    const programs = ["x", "y", "z"].map((name) => new Program(t, fixture, [url, name, String(count)]));
    for (const program of programs) await program.says("over");
    const all = await ran(hands);
    assert.deepEqual(all.map(([key]) => key).toSorted(), ["a", "b"]);
    for (const [, value] of all) checkOrder([value], count);
  });
}
