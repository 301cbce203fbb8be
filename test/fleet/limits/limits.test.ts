// Limits over a fleet of several workers, on virtual time: what they keep, and what they cost a job that waits. Among them what users of
// other queues complain of: a rate that each worker keeps for itself (celery#5732, #4614), limits and order for each key that cost extra (bullmq#1322, #1510), and
// retries that are spent on waiting for a rate (dramatiq#257).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { call, chunks, context, task, UsageError } from "../../../src/index.ts";
import type { TaskOptions } from "../../../src/index.ts";
import { InlinePool } from "../../../src/pool/index.ts";
import { fleet } from "./fleet.ts";
import type { Fleet } from "./fleet.ts";

interface Order {
  readonly id: number;
  readonly tenant: string;
}
const byTenant = (order: Order): string => order.tenant;

/** A task that takes 100 ms and counts how many of it run, in all and for each tenant. */
class Gauge {
  most = 0;
  readonly mostOf = new Map<string, number>();
  readonly starts: (readonly [at: number, id: number, attempt: number])[] = [];
  readonly #running = new Map<string, number>();
  readonly fleet: Fleet;

  constructor(t: TestContext) {
    this.fleet = fleet(t);
  }

  readonly run = async (order: Order): Promise<number> => {
    this.starts.push([this.fleet.clock.elapsed(), order.id, context().attempt]);
    const running = (this.#running.get(order.tenant) ?? 0) + 1;
    this.#running.set(order.tenant, running);
    this.mostOf.set(order.tenant, Math.max(this.mostOf.get(order.tenant) ?? 0, running));
    this.most = Math.max(
      this.most,
      [...this.#running.values()].reduce((a, b) => a + b, 0),
    );
    await this.fleet.sleep(100);
    this.#running.set(order.tenant, (this.#running.get(order.tenant) ?? 0) - 1);
    return order.id;
  };

  /** How many started in each window of time that begins with a start. */
  mostWithin(ms: number): number {
    const times = this.starts.map(([at]) => at).toSorted((a, b) => a - b);
    return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + ms).length));
  }
}

const orders = (count: number, tenants = 1): Order[] =>
  Array.from({ length: count }, (_, id) => ({ id, tenant: `t${id % tenants}` }));

async function all(gauge: Gauge, name: string, options: TaskOptions<[Order], number>, inputs: Order[]): Promise<number[]> {
  const limited = task<[Order], Promise<number>>(name, gauge.run, options);
  gauge.fleet.program([limited]);
  gauge.fleet.program([limited]);
  const client = gauge.fleet.program();
  return [...(await gauge.fleet.clock.run(client.map(limited, inputs)))];
}

test("of a task with a concurrency so many run at a time, on all workers together", async (t) => {
  const gauge = new Gauge(t);
  assert.equal((await all(gauge, "limits.places", { concurrency: 3 }, orders(30))).length, 30);
  assert.equal(gauge.most, 3);
});

test("with a key, so many of each key", async (t) => {
  const gauge = new Gauge(t);
  await all(gauge, "limits.keyed", { concurrency: { limit: 2, key: byTenant } }, orders(40, 4));
  assert.deepEqual([...gauge.mostOf.values()], [2, 2, 2, 2]);
  assert.equal(gauge.most, 8);
});

test("several limits all hold, and a busy key does not keep the places of all", async (t) => {
  const gauge = new Gauge(t);
  // Nearly all orders are of one tenant and come first: were the common limit passed first, they would fill it.
  const inputs = [...orders(40), ...orders(6).map(({ id }) => ({ id: 100 + id, tenant: `other${id}` }))];
  await all(gauge, "limits.both", { concurrency: [5, { limit: 2, key: byTenant }] }, inputs);
  assert.equal(gauge.most, 5);
  assert.equal(gauge.mostOf.get("t0"), 2);
  const others = gauge.starts.filter(([, id]) => id >= 100).map(([at]) => at);
  assert.ok(Math.max(...others) < 1000, `the others waited until ${Math.max(...others)} ms`);
});

test("FIFO for each key is a concurrency of 1; a job that waits for its retry lets the next go", async (t) => {
  const gauge = new Gauge(t);
  const { fleet: made } = gauge;
  const seen: string[] = [];
  const serial = task(
    "limits.serial",
    async (order: Order) => {
      seen.push(`${order.id}.${context().attempt}`);
      await made.sleep(10);
      if (order.id === 1 && context().attempt === 1) throw new Error("not yet");
    },
    { concurrency: { limit: 1, key: byTenant }, retries: 1, backoff: { initial: "1s", jitter: 0 } },
  );
  made.program([serial]);
  made.program([serial]);
  await made.clock.run(made.program().map(serial, orders(5)));
  assert.deepEqual(seen, ["0.1", "1.1", "2.1", "3.1", "4.1", "1.2"]);
});

test("two workers together never exceed a rate, and no attempt is spent on waiting for it", async (t) => {
  const gauge = new Gauge(t);
  await all(gauge, "limits.rate", { rate: { limit: 10, per: "1s" } }, orders(60));
  // 10 at once, then one every 100 ms.
  assert.ok(gauge.mostWithin(1000) <= 20);
  const { starts } = gauge;
  for (const [at] of starts)
    assert.ok(starts.filter(([other]) => other <= at).length <= Math.round(10 + at / 100), `too many by ${at} ms`);
  assert.ok(starts.every(([, , attempt]) => attempt === 1));
  const last = Math.max(...starts.map(([at]) => at));
  assert.ok(last >= 5000 && last < 5500, `the last started at ${last} ms`);
});

test("a burst of 1 spreads starts evenly; a key has a bucket of its own", async (t) => {
  const gauge = new Gauge(t);
  await all(gauge, "limits.burst", { rate: { limit: 10, per: "1s", burst: 1, key: byTenant } }, orders(40, 2));
  assert.ok(gauge.mostWithin(100) <= 2);
  const last = Math.max(...gauge.starts.map(([at]) => at));
  assert.ok(last >= 1900 && last < 2600, `the last started at ${last} ms`);
});

test("a retry takes a token as any other start does", async (t) => {
  const gauge = new Gauge(t);
  const starts: number[] = [];
  const failing = task(
    "limits.failing",
    () => {
      starts.push(gauge.fleet.clock.elapsed());
      throw new Error("always");
    },
    { rate: { limit: 1, per: "1s" }, retries: 3, backoff: { initial: 0 } },
  );
  gauge.fleet.program([failing]);
  await assert.rejects(gauge.fleet.clock.run(gauge.fleet.program().submit(failing)), /always/);
  assert.equal(starts.length, 4);
  starts.slice(1).forEach((at, i) => assert.ok(Math.round(at - (starts[i] as number)) >= 1000, starts.join(" ")));
});

test("tasks that name the same limit share it", async (t) => {
  const gauge = new Gauge(t);
  const concurrency = { limit: 2, name: "printer" };
  const one = task("limits.one", gauge.run, { concurrency });
  const other = task("limits.other", gauge.run, { concurrency });
  gauge.fleet.program([one, other]);
  const client = gauge.fleet.program();
  await gauge.fleet.clock.run(Promise.all([client.map(one, orders(5)), client.map(other, orders(5))]));
  assert.equal(gauge.most, 2);
});

test("the names of gates are readable, and a slash makes no two the same", async (t) => {
  const { program, store, clock } = fleet(t);
  const limited = task("limits/names", (_order: Order) => 1, {
    concurrency: [4, { limit: 1, key: byTenant }],
    rate: [
      { limit: 1, per: "1h" },
      { limit: 5, per: 1, name: "bank" },
    ],
  });
  const client = program();
  void client.submit(limited, { id: 1, tenant: "a/b" });
  void client.submit(limited.with({ fair: { key: "x" }, concurrency: undefined, rate: undefined }), { id: 2, tenant: "c" });
  await clock.settle();
  const gates = (await store.list({}, { limit: 2 })).map((job) => job.gates.map(({ name }) => name));
  assert.deepEqual(gates, [
    ["fair/limits%2Fnames/x"],
    ["concurrency/limits%2Fnames/a/b", "rate/limits%2Fnames", "rate/bank", "concurrency/limits%2Fnames"],
  ]);
});

test("a key may read what is known of the arguments, and nothing else", async (t) => {
  const { program, clock } = fleet(t);
  const leaf = task("limits.leaf", () => ({ tenant: "a" }));
  const keyed = task("limits.arguments", (tenant: string, order: { tenant: string }) => tenant + order.tenant, {
    concurrency: { limit: 1, key: (tenant) => tenant },
  });
  const client = program([leaf, keyed]);
  assert.equal(await clock.run(client.submit(call(keyed, "a", call(leaf)))), "aa");
  const wrong = keyed.with({ concurrency: { limit: 1, key: (_tenant, order) => order.tenant } });
  assert.throws(() => client.submit(call(wrong, "a", call(leaf))), /reads an argument that is the result of another call/);
  const number = keyed.with({ concurrency: { limit: 1, key: () => 7 as unknown as string } });
  assert.throws(
    () => client.submit(number, "a", { tenant: "a" }),
    /concurrency.key of task "limits.arguments" must give a text, found 7/,
  );
  const long = keyed.with({ concurrency: { limit: 1, key: () => "x".repeat(201) } });
  assert.throws(() => client.submit(long, "a", { tenant: "a" }), UsageError);
});

test("what makes no sense is refused where the task is defined", () => {
  const define = (options: unknown) => (): unknown =>
    task("limits.wrong", (order: Order) => order.id, options as TaskOptions<[Order], number>);
  const wrong: readonly (readonly [options: unknown, message: RegExp])[] = [
    [{ concurrency: 0 }, /concurrency must be a whole number from 1/],
    [{ concurrency: { limit: 1.5 } }, /concurrency\.limit must be a whole number/],
    [{ concurrency: { limits: 1 } }, /no option "limits". Did you mean "limit"/],
    [{ concurrency: [] }, /empty list/],
    [{ concurrency: "3" }, /must be an object such as/],
    [{ concurrency: { limit: 1, key: 5 } }, /key must be a text or a function/],
    [{ concurrency: { limit: 1, name: "a b" } }, /name has 1 to 128/],
    [{ concurrency: [1, 2] }, /two concurrency limits without a key/],
    [{ rate: { limit: 1 } }, /rate\.per must be a duration/],
    [{ rate: { limit: 1, per: 0 } }, /longer than 0/],
    [{ rate: { limit: 1, per: "1s", burst: 0 } }, /burst must be a whole number/],
    [{ fair: {} }, /fair\.key must be a text/],
    [{ fair: { key: "a", weight: 0 } }, /weight must be a number from 0.1 to 100/],
    [{ fair: { key: "a" }, concurrency: { limit: 4, key: "b" } }, /"fair" beside a concurrency limit with another key/],
    [{ throttle: { per: 0 } }, /longer than 0/],
    [{ throttle: { per: "8d" } }, /longer "keep"/],
    [{ throttle: { per: "1s" }, unique: {} }, /both "unique" and "throttle"/],
  ];
  for (const [options, message] of wrong) assert.throws(define(options), message, JSON.stringify(options));
});

test("a pool refuses limits that only a fleet keeps", async (t) => {
  const pool = new InlinePool();
  t.after(() => pool.close());
  const limited = task("limits.pool", (n: number) => n, { concurrency: 1 });
  for (const run of [
    () => pool.submit(limited, 1),
    () => pool.map(limited, [1]),
    () => pool.submit(call(limited, call(limited, 1))),
  ]) {
    assert.throws(run, /has a "concurrency", which a fleet's store keeps and InlinePool cannot/);
  }
  assert.equal(await pool.submit(limited.with({ concurrency: undefined, fair: { key: "a" } }), 1), 1);
});

test("a chunk counts as one of its task, and is refused where limits go by single calls", async (t) => {
  const { program, store, clock } = fleet(t);
  const limited = task("limits.chunked", (n: number) => n, { concurrency: 1 });
  const client = program([limited]);
  assert.deepEqual(await clock.run(client.submit(chunks(limited, [1, 2, 3, 4], 2))), [1, 2, 3, 4]);
  const gates = (await store.list({ task: "limits.chunked" }, { limit: 9 })).map((job) => job.gates.map(({ name }) => name));
  assert.deepEqual(gates, [["concurrency/limits.chunked"], ["concurrency/limits.chunked"]]);
  const paced = limited.with({ rate: { limit: 1, per: "1s" } });
  assert.throws(() => client.submit(chunks(paced, [1, 2], 2)), /has a "rate" that goes by single calls/);
});
