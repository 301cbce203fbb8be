// Why a job is as it is: every state has an answer, from facts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, connect, context, task, UsageError } from "../../src/index.ts";
import type { Hands, Reason } from "../../src/index.ts";
import { until } from "../fixtures/support.ts";

const echo = task("explain.echo", (n: number) => n);
const boom = task("explain.boom", (): number => {
  throw new RangeError("no such thing");
});
const held = Promise.withResolvers<void>();
const hold = task("explain.hold", async () => held.promise);
const approval = task("explain.approval", async () => context().waitFor("approve", { timeout: "7d" }));
const sleeper = task("explain.sleeper", async () => context().sleep("3d"));
const parent = task("explain.parent", async () => context().submit(hold));

async function reasons(hands: Hands, id: string): Promise<readonly Reason[]> {
  return (await hands.explain(id)).reasons;
}

async function only(hands: Hands, id: string): Promise<Reason> {
  const [reason, ...others] = await reasons(hands, id);
  assert.ok(reason && others.length === 0);
  return reason;
}

test("a job that does not run is explained", async () => {
  await using hands = await connect("memory:");
  const lonely = hands.submit(echo, 1);
  const scheduled = hands.submit(echo.with({ delay: "1h" }), 1);
  const above = hands.submit(echo, call(echo, 2));
  for (const future of [lonely, scheduled, above]) await future.submitted;
  assert.match((await only(hands, lonely.id)).text, /No worker takes from its queue "default"/);
  assert.match((await only(hands, scheduled.id)).text, /due in (1 h|59 m)/);
  const dependency = await only(hands, above.id);
  assert.equal(dependency.kind, "dependency");
  assert.match(dependency.text, /waits for job .* of task "explain.echo", which is ready/);
  await hands.queue("default").pause();
  assert.deepEqual(
    (await reasons(hands, lonely.id)).map(({ kind }) => kind),
    ["paused", "unmatched"],
  );
  await hands.queue("default").resume();
  const worker = hands.work({ tasks: [boom], paused: true });
  await worker.ready;
  assert.match((await only(hands, lonely.id)).text, /knows its task "explain.echo"/);
  await assert.rejects(hands.explain("nobody"), UsageError);
});

test("a job that runs, waits or stands in line is explained", async () => {
  await using hands = await connect("memory:");
  const worker = hands.work({ tasks: [hold, approval, sleeper, parent], concurrency: 2 });
  const asleep = hands.submit(sleeper);
  const asking = hands.submit(approval);
  await until("they wait", async () => (await hands.count({ states: ["waiting"] })) === 2);
  assert.match((await only(hands, asleep.id)).text, /It sleeps for (3 d 00|71) h/);
  const signal = await only(hands, asking.id);
  assert.ok(signal.kind === "signal" && signal.name === "approve");
  const family = hands.submit(parent);
  await until("the child runs", async () => (await hands.count({ task: "explain.hold", states: ["running"] })) === 1);
  await until("the parent waits", async () => (await hands.jobs({ ids: [family.id] }))[0]?.state === "waiting");
  const child = await only(hands, family.id);
  assert.ok(child.kind === "child" && child.state === "running");
  const running = await only(hands, child.id);
  assert.ok(running.kind === "running" && running.worker === worker.id);
  const others = [hands.submit(hold), hands.submit(hold)];
  await Promise.all(others.map((future) => future.submitted));
  await until("one runs", async () => (await hands.count({ task: "explain.hold", states: ["running"] })) === 2);
  const [ready] = await hands.jobs({ states: ["ready"] });
  const queued = await only(hands, ready?.id ?? "");
  assert.ok(queued.kind === "queued" && queued.workers === 1);
  await hands.cancel(others[0]?.id ?? "", "enough");
  assert.match((await reasons(hands, others[0]?.id ?? "")).at(-1)?.text ?? "", /asked to stop .* \(enough\)/);
  held.resolve();
});

test("a job that ended is explained, with the attempts before", async () => {
  await using hands = await connect("memory:");
  hands.work({ tasks: [echo, boom] });
  const failed = hands.submit(boom.with({ retries: 2, backoff: { initial: 1 } }));
  await assert.rejects(failed);
  const { reasons: why, attempts, job } = await hands.explain(failed.id);
  assert.deepEqual([why[0]?.kind, why[0]?.text, job.attempt], ["failed", "no such thing", 3]);
  assert.deepEqual(
    attempts.map(({ kind, error }) => [kind, (error as Error).message]),
    [
      ["retry", "no such thing"],
      ["retry", "no such thing"],
    ],
  );
  const above = hands.submit(echo, call(boom));
  await assert.rejects(above);
  const [cause] = await reasons(hands, above.id);
  assert.ok(cause?.kind === "failed" && cause.cause !== null);
  assert.match(cause.text, /explain.boom|no such thing/);
  const cancelled = hands.submit(echo.with({ delay: "1h" }), 1);
  await cancelled.cancel("not wanted");
  await assert.rejects(cancelled);
  assert.match((await only(hands, cancelled.id)).text, /not wanted/);
  const done = hands.submit(echo, 1);
  await done;
  assert.equal((await only(hands, done.id)).kind, "done");
});
