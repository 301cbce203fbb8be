// A program that uses a store directly, started by tests that kill it or run several of it at once: `node child.ts PATH ROLE NAME [MS]`.
// It says on standard output what has been acknowledged, one line for each batch, only after the store's promise resolved.
// (A pipe's write is synchronous: what a killed child said, it had said.)
import { writeSync } from "node:fs";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import type { ClaimedJob, NewJob, Outcome, Store } from "../../src/store/index.ts";
import type { Input } from "../../src/store/job.ts";
import { openLease, sqliteStore } from "../../src/store/index.ts";
import { claim, newJob, newWorker, wants } from "../../src/testing/store-suite/bench.ts";

const [path = "", role = "", name = "", ms = "1500"] = process.argv.slice(2);
const leaseMs = 500;
let count = 0;

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Three kinds of batches: a job alone, a join of five, and a chain of three. */
function graph(): NewJob[] {
  const now = Date.now();
  const kind = count % 3;
  const next = (dependsOn: readonly string[] = []): NewJob =>
    newJob({ id: `${name}-${count++}`, dependsOn, crashLimit: 1e6, keepMs: 1e9 }, now);
  if (kind === 0) return [next()];
  if (kind === 1) {
    const leaves = Array.from({ length: 5 }, () => next());
    return [...leaves, next(leaves.map(({ id }) => id))];
  }
  const first = next();
  const second = next([first.id]);
  return [first, second, next([second.id])];
}

async function submit(store: Store): Promise<never> {
  const one = async (): Promise<void> => {
    const jobs = graph();
    await store.add(jobs, Date.now());
    say(`added ${jobs.map(({ id }) => id).join(" ")}`);
  };
  for (;;) {
    await Promise.all([one(), one(), one()]);
    // The test ends when all is done, so not too much may be added.
    await delay(4);
  }
}

function nameIn(input: Input): string | undefined {
  if (typeof input !== "string") throw new Error(`${input.id} is ${input.state}`);
  return (JSON.parse(input) as string[])[0];
}

/** The outcome depends on the job alone, but for the first attempts, some of which go wrong. */
function outcomeOf({ id, fence }: ClaimedJob, inputs: readonly Input[]): Outcome {
  const draw = (fence * 7 + id.length + Number(id.split("-").at(-1))) % 11;
  if (fence < 3 && draw === 0) return { id, fence, kind: "retry", error: '"again"', dueAt: Date.now() + 5 };
  if (fence < 3 && draw === 1) return { id, fence, kind: "crashed", error: '"crashed"' };
  if (fence < 3 && draw === 2) return { id, fence, kind: "released" };
  if (fence < 3 && draw === 3) return { id, fence, kind: "waiting", dueAt: Date.now() + 5, seen: 0, waits: "time" };
  return { id, fence, kind: "done", result: JSON.stringify([id, ...inputs.map(nameIn)]) };
}

async function work(store: Store): Promise<never> {
  for (let life = 1; ; life++) await live(store, `${name}.${life}`);
}

/** One life of a worker, which ends when it is taken for lost: on a busy machine it may not run for longer than its lease. */
async function live(store: Store, worker: string): Promise<void> {
  await store.join(newWorker(worker), Date.now() + leaseMs);
  const lease = await openLease(store.leaseUrl ?? "", worker);
  let claimed: readonly ClaimedJob[] = [];
  while ((await lease.renew(leaseMs)).alive) {
    await store.tend(Date.now(), 100);
    const inputs = await store.inputs(claimed.map(({ id }) => id));
    const outcomes = claimed.map((job, i) => outcomeOf(job, inputs[i] ?? []));
    const settled = await store.settle(worker, outcomes, wants(10), Date.now());
    const recorded = outcomes.filter(({ kind }, i) => kind === "done" && !settled.refused.includes(i));
    if (recorded.length > 0) say(`done ${recorded.map(({ id, fence }) => `${id}:${fence}`).join(" ")}`);
    claimed = settled.claimed;
    if (claimed.length === 0) for (let i = 0; i < 20; i++) await turn();
  }
  await lease.close();
}

/** Adds, claims and settles as fast as it can, and says how often at the end. */
async function compete(store: Store): Promise<void> {
  const stopAt = Date.now() + Number(ms);
  await store.join(newWorker(name), Date.now() + 60_000);
  let rounds = 0;
  for (; Date.now() < stopAt; rounds++) {
    const ids = Array.from({ length: 20 }, () => `${name}-${count++}`);
    await store.add(
      ids.map((id) => newJob({ id })),
      Date.now(),
    );
    const claimed = await claim(store, name, wants(20), Date.now());
    await store.settle(
      name,
      claimed.map(({ id, fence }) => ({ id, fence, kind: "done", result: "1" })),
      [],
      Date.now(),
    );
  }
  say(`rounds ${rounds}`);
  await store.close();
}

/** Answers each line on standard input by adding a job. */
function ring(store: Store): void {
  say("ready");
  process.stdin.on("data", () => void store.add([newJob({ id: `${name}-${count++}` })], Date.now()));
  process.stdin.on("end", () => void store.close());
}

const store = await sqliteStore(path);
if (role === "submit") await submit(store);
else if (role === "work") await work(store);
else if (role === "compete") await compete(store);
else if (role === "ring") ring(store);
else if (role === "listen") {
  store.watch(() => undefined);
  say("listening");
} else if (role === "open") {
  say(`opened ${(await store.info()).schema}`);
  await store.close();
} else throw new Error(`There is no role "${role}".`);
