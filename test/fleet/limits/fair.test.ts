// Fair shares as figures: whose jobs are started while all have some waiting, whatever they have waiting.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { task } from "../../../src/index.ts";
import type { TaskOptions } from "../../../src/index.ts";
import { fleet } from "./fleet.ts";

interface Order {
  readonly tenant: number;
}
const byTenant = (order: Order): string => `tenant ${order.tenant}`;

/** Submits so many jobs for each tenant, one tenant after the other, and gives whose jobs were started, in order. */
async function served(
  t: TestContext,
  name: string,
  options: TaskOptions<[Order]>,
  backlogs: readonly number[],
  enough: (served: readonly number[]) => boolean,
): Promise<readonly number[]> {
  const { clock, program, sleep } = fleet(t);
  const started: number[] = [];
  const over = Promise.withResolvers<void>();
  const work = async ({ tenant }: Order): Promise<void> => {
    started.push(tenant);
    if (enough(started)) over.resolve();
    await sleep(1 + clock.random() * 20);
  };
  const fair = task<[Order], Promise<void>>(name, work, options as TaskOptions<[Order], void>);
  const client = program();
  const orders = backlogs.flatMap((count, tenant) => Array.from({ length: count }, (): Order => ({ tenant })));
  const submitted = orders.map((order) => client.submit(fair, order)).at(-1)?.submitted;
  await clock.run(submitted ?? Promise.resolve(""));
  program([fair]);
  program([fair], { concurrency: 7 });
  await clock.run(over.promise);
  return started;
}

function counts(started: readonly number[], tenants: number): number[] {
  const found = Array<number>(tenants).fill(0);
  for (const tenant of started) found[tenant] = (found[tenant] ?? 0) + 1;
  return found;
}

test("ten tenants with unequal backlogs get equal shares: max/min is at most 1.2", async (t) => {
  const backlogs = [100_000, 2000, 50_000, 1000, 1500, 3000, 1200, 1000, 8000, 1000];
  // While all have jobs waiting.
  const started = await served(t, "fair.equal", { fair: { key: byTenant } }, backlogs, (all) => all.length >= 9000);
  for (const part of [started.slice(0, 1000), started.slice(0, 9000)]) {
    const shares = counts(part, 10);
    const ratio = Math.max(...shares) / Math.min(...shares);
    t.diagnostic(`${part.length} starts: ${shares.join(" ")}, max/min ${ratio.toFixed(3)}`);
    assert.ok(ratio <= 1.2, shares.join(" "));
  }
});

for (const [name, limits] of [
  ["concurrency", { concurrency: 5 }],
  ["rate", { rate: { limit: 100, per: "1s" } }],
] as const) {
  test(`beside a ${name} for all, equal keys get equal shares too, and ten jobs do not wait for ten thousand`, async (t) => {
    const options = { fair: { key: byTenant }, ...limits };
    const backlogs = [10_000, 700, 3000, 500, 600];
    const started = await served(t, `fair.beside.${name}`, options, backlogs, (all) => all.length >= 2400);
    const shares = counts(started.slice(0, 2400), 5);
    const ratio = Math.max(...shares) / Math.min(...shares);
    t.diagnostic(`2400 starts: ${shares.join(" ")}, max/min ${ratio.toFixed(3)}`);
    assert.ok(ratio <= 1.2, shares.join(" "));
    const few = await served(t, `fair.few.${name}`, options, [10_000, 10], (all) => counts(all, 2)[1] === 10);
    t.diagnostic(`the tenth had started after ${few.length} starts`);
    assert.ok(few.length <= 16 + 20 + 57, String(few.length));
  });
}

test("weights of 1 and 3 are served 1:3 within 10 %", async (t) => {
  const weight = (order: Order): number => (order.tenant === 1 ? 3 : 1);
  const started = await served(
    t,
    "fair.weights",
    { fair: { key: byTenant, weight } },
    [20_000, 6000],
    (all) => all.length >= 4000,
  );
  const [one = 0, three = 0] = counts(started.slice(0, 4000), 2);
  t.diagnostic(`${one} : ${three} = 1 : ${(three / one).toFixed(3)}`);
  assert.ok(Math.abs(three / one / 3 - 1) <= 0.1);
});

test("ten jobs behind a backlog, however long, wait for a window of it and no more", async (t) => {
  const waited: number[] = [];
  for (const backlog of [1000, 100_000]) {
    const started = await served(
      t,
      `fair.behind${backlog}`,
      { fair: { key: byTenant } },
      [backlog, 10],
      (all) => counts(all, 2)[1] === 10,
    );
    waited.push(started.length);
  }
  t.diagnostic(`the tenth had started after ${waited.join(" and ")} starts`);
  // Its window of 16, turns of one each, and what two workers run.
  for (const starts of waited) assert.ok(starts <= 16 + 20 + 57, String(starts));
});

test("a newcomer's jobs are not behind those claimed for a tenant that is alone", async (t) => {
  const { clock, program, sleep } = fleet(t);
  const started: number[] = [];
  const fair = task(
    "fair.newcomer",
    async ({ tenant }: Order) => {
      started.push(tenant);
      await sleep(10);
    },
    { fair: { key: byTenant } },
  );
  const client = program([fair], { concurrency: 2 });
  for (let i = 0; i < 1000; i++) void client.submit(fair, { tenant: 0 });
  await clock.advance("1s");
  const before = started.length;
  for (let i = 0; i < 10; i++) void client.submit(fair, { tenant: 1 });
  await clock.advance("1s");
  const tenth = started.map((tenant, index) => (tenant === 1 ? index : -1)).filter((index) => index >= 0)[9] ?? Infinity;
  t.diagnostic(`after ${tenth - before} starts`);
  assert.ok(tenth - before <= 16 * 2 + 20, String(tenth - before));
});
