// A store against the memory store, which is the reference: random verbs, several of them at a time, with ids, fences and a clock
// that jumps. The store is open twice, and each step goes to one of the two, as if there were two processes. Every answer and,
// after every step, everything stored must be equal.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { JobFilter, NewJob, Outcome, Store, Want } from "../../src/store/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import type { ClaimedJob, Gate, NewRecord, StoredJob } from "../../src/store/job.ts";
import { isHeld } from "../../src/store/machine.ts";
import type { OtherCall, Settled } from "../../src/store/store.ts";
import { isFinal, jobStates } from "../../src/task/state.ts";
import { claim, newJob, newWorker, start } from "../../src/testing/store-suite/bench.ts";

/** What the generated verbs may refer to: how far the reference has come. */
interface Known {
  now: number;
  ids: string[];
  claims: { id: string; fence: number; worker: string }[];
}

/** A verb, made concrete when its turn comes. */
type Verb = (known: Known) => (store: Store) => Promise<unknown>;

/** What an arbitrary gives. */
type Drawn<A> = A extends fc.Arbitrary<infer T> ? T : never;

const workers = ["w0", "w1", "w2"];
const tasks = ["t0", "t1", "t2", "t0\nneeds"];
const queues = ["q0", "q1"];

function pick<T>(from: readonly T[], at: number): T | undefined {
  return from[at % Math.max(1, from.length)];
}
const number = fc.nat({ max: 10_000 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 2 });
const soon = fc.oneof(fc.integer({ min: -5, max: 30 }), fc.constant(0.5));

const gateNames = ["g0", "g1", "r0"];
const gate: fc.Arbitrary<Gate> = fc
  .record({
    name: fc.constantFrom(...gateNames),
    room: fc.integer({ min: 1, max: 2 }),
    until: fc.constantFrom("started" as const, "stopped" as const),
    everyMs: fc.constantFrom(8, 40.5),
  })
  .map(({ everyMs, ...rest }) => ({ ...rest, everyMs: rest.name === "r0" ? everyMs : null }));

const draft = fc.record({
  fresh: fc.integer({ min: 0, max: 30 }).map((n) => n > 0),
  idAt: number,
  task: fc.constantFrom(...tasks),
  queue: fc.constantFrom(...queues, "q0", "q0"),
  priority: fc.integer({ min: -1, max: 1 }),
  long: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  dueIn: maybe(soon),
  expiresIn: fc.option(fc.integer({ min: 0, max: 60 }), { freq: 2 }),
  keepMs: fc.constantFrom(0, 10, 500, 200_000),
  crashLimit: fc.integer({ min: 0, max: 2 }),
  dependsOn: fc.oneof(
    { weight: 2, arbitrary: fc.constant<number[]>([]) },
    { weight: 3, arbitrary: fc.array(number, { maxLength: 3 }) },
  ),
  rootAt: maybe(number),
  tolerant: fc.array(fc.boolean(), { maxLength: 3 }),
  gates: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Gate[]>([]) },
    { weight: 2, arbitrary: fc.uniqueArray(gate, { maxLength: 2, selector: ({ name }) => name }) },
  ),
  unique: fc.option(
    fc.record({ key: fc.constantFrom("k0", "k1"), until: fc.constantFrom("started" as const, "ended" as const) }),
    { freq: 2 },
  ),
});

let made = 0;

function toJobs(drafts: readonly Drawn<typeof draft>[], known: Known): NewJob[] {
  const before = [...known.ids];
  return drafts.map(({ fresh, idAt, dueIn, expiresIn, dependsOn, rootAt, long, tolerant, ...facts }) => {
    made += 1;
    const id = (fresh ? undefined : pick(known.ids, idAt)) ?? `j${String(made).padStart(6, "0")}`;
    const recent = before.slice(-8);
    const below = recent.length === 0 ? [] : dependsOn.map((at) => recent[at % recent.length] ?? id);
    const job = newJob({
      ...facts,
      id,
      dependsOn: below,
      tolerates: below.filter((_, position) => tolerant[position]),
      dueAt: dueIn === null ? null : known.now + dueIn,
      expiresAt: expiresIn === null ? null : known.now + expiresIn,
      root: (rootAt === null ? undefined : pick(before, rootAt)) ?? id,
      submittedAt: known.now,
      args: long ? `["${id}${"x".repeat(600)}"]` : `["${id}"]`,
    });
    before.push(id);
    known.ids.push(id);
    return job;
  });
}

/** Jobs that need nothing but each other, for which stores may have shorter ways; of a fan-in the last one needs all others. */
function toGraph(drafts: readonly Drawn<typeof draft>[], isFanIn: boolean, known: Known): NewJob[] {
  const before = known.ids.length;
  const jobs = toJobs(
    drafts.map((each) => ({ ...each, dueIn: null, expiresIn: null, gates: [], unique: null, dependsOn: [] })),
    known,
  );
  const ids = known.ids.slice(before);
  return jobs.map((job, place) => {
    const { dependsOn, tolerant, rootAt } = drafts[place] as Drawn<typeof draft>;
    const one = place === 0 ? [] : dependsOn.map((at) => ids[at % place] as string);
    const all = place === ids.length - 1 ? ids.slice(0, place) : [];
    const below = isFanIn ? all : one;
    const root = (rootAt === null ? undefined : pick(ids, rootAt)) ?? job.id;
    return { ...job, root, dependsOn: below, tolerates: below.filter((_, position) => tolerant[position % tolerant.length]) };
  });
}

function toCall({ expiresIn, long, gates }: Drawn<typeof draft>, now: number): OtherCall {
  const expiresAt = expiresIn === null ? null : now + expiresIn;
  return { args: long ? `["${"y".repeat(600)}"]` : `["${now}"]`, policy: long ? null : "{}", gates, expiresAt, submittedAt: now };
}

const whole = fc.record({
  draft,
  state: fc.constantFrom("blocked" as const, ...jobStates.filter((state) => state !== "running")),
  attempt: fc.nat({ max: 2 }),
  crashes: fc.nat({ max: 2 }),
  fence: fc.nat({ max: 2 }),
  started: fc.boolean(),
  endedIn: soon,
  text: maybe(fc.constant('"text"')),
  goneAt: fc.nat({ max: 12 }),
});

const neverStarted = { attempt: 0, crashes: 0, fence: 0, started: false, text: null };

/** Jobs as another store may have dumped them. */
function toWhole(drawn: readonly Drawn<typeof whole>[], known: Known): StoredJob[] {
  const jobs = toJobs(
    drawn.map((each) => each.draft),
    known,
  );
  return jobs.map(({ unique, dependsOn, ...job }, index) => {
    const { state, endedIn, goneAt, ...facts } = drawn[index] as Drawn<typeof whole>;
    const isOver = isFinal(state);
    // What is blocked, or may be when it arrives, was never started.
    const isNew = state === "blocked" || (!isOver && dependsOn.length > 0);
    const { attempt, crashes, fence, started, text } = isNew ? { ...facts, ...neverStarted } : facts;
    return {
      ...job,
      state,
      attempt,
      crashes,
      fence,
      dueAt: state === "scheduled" ? (job.dueAt ?? known.now) : job.dueAt,
      uniqueKey: unique?.key ?? null,
      uniqueUntil: unique?.until ?? null,
      dependsOn: dependsOn.map((id, position) => (position === goneAt || id === job.id ? null : id)),
      dependencies: dependsOn.length,
      pending: 0,
      worker: isOver && started ? "w0" : null,
      readyAt: state === "ready" ? known.now - 1 : null,
      startedAt: started ? known.now - 1 : null,
      endedAt: isOver ? known.now + endedIn : null,
      result: state === "done" ? '"result"' : null,
      error: text,
      cause: state === "failed" ? text : null,
      cancelAt: isOver && started ? known.now : null,
      cancelReason: isOver ? text : null,
      progress: text,
      waits: state === "waiting" ? '"for"' : null,
      gate: null,
      records: text === null ? [] : [{ name: "signal/x", text }],
    };
  });
}

async function dumpAll(store: Store, limit: number): Promise<StoredJob[]> {
  const all: StoredJob[] = [];
  for (let after: string | null | undefined; after !== null;) {
    const { jobs, next } = await store.dump(after ?? null, limit);
    all.push(...jobs);
    after = next;
  }
  return all;
}

const filter = fc.record({
  ids: fc.option(fc.array(number, { maxLength: 4 }), { freq: 1, nil: undefined }),
  states: fc.option(fc.subarray([...jobStates]), { freq: 1, nil: undefined }),
  queue: fc.option(fc.constantFrom(...queues), { freq: 1, nil: undefined }),
  task: fc.option(fc.constantFrom(...tasks), { freq: 1, nil: undefined }),
  rootAt: fc.option(number, { freq: 1, nil: undefined }),
});

function toFilter({ ids, states, queue, task, rootAt }: Drawn<typeof filter>, known: Known): JobFilter {
  const root = rootAt === undefined ? undefined : pick(known.ids, rootAt);
  return {
    ...(ids && { ids: ids.flatMap((at) => pick(known.ids, at) ?? []) }),
    ...(states && { states }),
    ...(queue !== undefined && { queue }),
    ...(task !== undefined && { task }),
    ...(root !== undefined && { root }),
  };
}

const wants: fc.Arbitrary<Want[]> = fc.array(
  fc.record({
    queues: fc.shuffledSubarray([...queues], { minLength: 1 }),
    tasks: fc.subarray(tasks, { minLength: 1 }),
    limit: fc.integer({ min: 0, max: 4 }),
  }),
  { maxLength: 2 },
);
const worker = fc.constantFrom(...workers);
const outcome = fc.record({
  at: number,
  kind: fc.constantFrom(
    "done" as const,
    "done" as const,
    "failed" as const,
    "waiting" as const,
    "retry" as const,
    "crashed" as const,
    "released" as const,
    "cancelled" as const,
  ),
  dueIn: soon,
  seen: fc.integer({ min: 0, max: 1 }),
  wrongFence: fc.integer({ min: 0, max: 15 }).map((n) => n === 0),
});

function toOutcome({ at, kind, dueIn, seen, wrongFence }: Drawn<typeof outcome>, known: Known, by: string): Outcome {
  const own = known.claims.filter((claim) => claim.worker === by);
  const claim = pick(own.slice(-6), at) ?? pick(known.claims, at) ?? { id: "nobody", fence: 1 };
  const base = { id: claim.id, fence: claim.fence + (wrongFence ? 1 : 0) };
  if (kind === "done") return { ...base, kind, result: `"${at}"` };
  if (kind === "waiting") return { ...base, kind, dueAt: at % 3 === 0 ? null : known.now + dueIn, seen, waits: `"${at}"` };
  if (kind === "retry") return { ...base, kind, error: `"${at}"`, dueAt: known.now + dueIn };
  if (kind === "failed" || kind === "crashed") return { ...base, kind, error: `"${at}"` };
  return { ...base, kind };
}

const record = fc.record({
  at: number,
  name: fc.constantFrom("a", "signal/x", "signal/cancel/1", "undo/1"),
  text: maybe(fc.constantFrom("1", "\u0000\u001f2")),
  own: fc.integer({ min: 0, max: 6 }).map((n) => n === 0),
  byClaim: fc.boolean(),
});

function toRecord({ at, name, text, own, byClaim }: Drawn<typeof record>, known: Known): NewRecord {
  const claim = pick(known.claims.slice(-6), at);
  if (byClaim && claim) return { job: claim.id, name, text, claim, tell: false };
  return { job: own ? "" : (pick(known.ids, at) ?? "nobody"), name, text, claim: null, tell: at % 2 === 0 };
}

const verbs: fc.Arbitrary<Verb> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.array(draft, { minLength: 1, maxLength: 5 }).map((drafts): Verb => (known) => {
      const { now } = known;
      const jobs = toJobs(drafts, known);
      return (store) => store.add(jobs, now);
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.array(draft, { minLength: 1, maxLength: 8 }), fc.boolean())
      .map(([drafts, isFanIn]): Verb => (known) => {
        const { now } = known;
        const jobs = toGraph(drafts, isFanIn, known);
        return (store) => store.add(jobs, now);
      }),
  },
  {
    weight: 3,
    arbitrary: fc.array(whole, { minLength: 1, maxLength: 4 }).map((drawn): Verb => (known) => {
      const { now } = known;
      const jobs = toWhole(drawn, known);
      return (store) => store.load(jobs, now);
    }),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(worker, wants).map(
      ([by, wanted]): Verb =>
        ({ now }) =>
        (store) =>
          claim(store, by, wanted, now),
    ),
  },
  {
    weight: 10,
    arbitrary: fc.tuple(worker, fc.array(outcome, { maxLength: 4 }), wants).map(([by, drafts, wanted]): Verb => (known) => {
      const { now } = known;
      const outcomes = drafts.map((each) => toOutcome(each, known, by));
      return (store) => settled(store, store.settle(by, outcomes, wanted, now));
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(filter, maybe(fc.constant("why"))).map(([chosen, reason]): Verb => (known) => {
      const { now } = known;
      const wanted = toFilter(chosen, known);
      return (store) => store.cancel(wanted, reason, now);
    }),
  },
  {
    weight: 3,
    arbitrary: filter.map((chosen): Verb => (known) => {
      const { now } = known;
      const wanted = toFilter(chosen, known);
      return (store) => store.retry(wanted, now);
    }),
  },
  {
    weight: 1,
    arbitrary: filter.map((chosen): Verb => (known) => {
      const wanted = toFilter(chosen, known);
      return (store) => store.remove(wanted);
    }),
  },
  {
    weight: 5,
    arbitrary: fc.integer({ min: 0, max: 6 }).map(
      (limit): Verb =>
        ({ now }) =>
        (store) =>
          store.tend(now, limit),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(worker, fc.integer({ min: 1, max: 90 })).map(
      ([id, ms]): Verb =>
        ({ now }) =>
        (store) =>
          store.join(newWorker(id), now + ms),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(worker, fc.integer({ min: 1, max: 90 })).map(
      ([id, ms]): Verb =>
        ({ now }) =>
        (store) =>
          store.renew(id, now + ms),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(worker, fc.array(number, { maxLength: 3 })).map(([by, at]): Verb => ({ claims, now }) => {
      const kept = at.flatMap((each) => pick(claims, each) ?? []);
      return (store) => store.releaseOthers(by, kept, now);
    }),
  },
  {
    weight: 3,
    arbitrary: fc.array(record, { minLength: 1, maxLength: 3 }).map((drawn): Verb => (known) => {
      const { now } = known;
      const written = drawn.map((each) => toRecord(each, known));
      return (store) => store.write(written, now);
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(maybe(fc.constant("v0")), maybe(fc.constant("v0")), fc.array(draft, { maxLength: 2 }))
      .map(([from, to, drafts]): Verb => (known) => {
        const { now } = known;
        const jobs = toJobs(drafts, known);
        return (store) => store.addIf({ name: "swapped", from, to }, jobs, now);
      }),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(worker, number, fc.boolean(), maybe(fc.constant('"for"')))
      .map(([by, at, wrong, waits]): Verb => ({ claims }) => {
        const claim = pick(claims.slice(-6), at) ?? { id: "nobody", fence: 1 };
        return (store) => store.suspend(by, [[claim.id, claim.fence + (wrong ? 1 : 0), waits]]);
      }),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        filter,
        fc.option(fc.integer({ min: -1, max: 1 }), { nil: undefined }),
        fc.option(fc.constantFrom(...queues), { nil: undefined }),
        fc.option(maybe(soon), { nil: undefined }),
        fc.option(fc.tuple(draft, number), { nil: undefined }),
      )
      .map(([chosen, priority, queue, dueIn, other]): Verb => (known) => {
        const { now } = known;
        const wanted = other ? { ids: [pick(known.ids.slice(-6), other[1]) ?? "nobody"] } : toFilter(chosen, known);
        const changes = {
          ...(other && { call: toCall(other[0], now) }),
          ...(priority !== undefined && { priority }),
          ...(queue !== undefined && { queue }),
          ...(dueIn !== undefined && { dueAt: dueIn === null ? null : now + dueIn }),
        };
        return (store) => store.change(wanted, changes, now);
      }),
  },
  {
    weight: 1,
    arbitrary: worker.map(
      (id): Verb =>
        () =>
        (store) =>
          store.drain(id),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...queues),
        fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
      )
      .map(
        ([queue, paused]): Verb =>
          () =>
          (store) =>
            store.pause(queue, paused),
      ),
  },
  {
    weight: 1,
    arbitrary: worker.map(
      (id): Verb =>
        ({ now }) =>
        (store) =>
          store.leave(id, now),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(worker, number, fc.boolean()).map(([by, at, wrong]): Verb => ({ claims }) => {
      const claim = pick(claims, at) ?? { id: "nobody", fence: 1 };
      return (store) => store.note(by, [[claim.id, claim.fence + (wrong ? 1 : 0), `[${at}]`]]);
    }),
  },
  {
    weight: 1,
    arbitrary: fc.array(number, { maxLength: 3 }).map((at): Verb => ({ ids }) => {
      const asked = at.flatMap((each) => pick(ids, each) ?? []);
      return (store) => store.inputs(asked);
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constant((({ ids }) => {
      const asked = [...ids];
      return (store) => store.endings(asked);
    }) satisfies Verb),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(filter, fc.nat({ max: 5 }), fc.option(number, { nil: undefined }))
      .map(([chosen, limit, at]): Verb => (known) => {
        const wanted = toFilter(chosen, known);
        const before = at === undefined ? undefined : pick(known.ids, at);
        return (store) => store.list(wanted, { limit, ...(before !== undefined && { before }) });
      }),
  },
  {
    weight: 1,
    arbitrary: filter.map((chosen): Verb => (known) => {
      const wanted = toFilter(chosen, known);
      return (store) => store.count(wanted);
    }),
  },
);

interface Step {
  readonly jump: number;
  /** Which of the two connections. */
  readonly via: number;
  readonly verbs: readonly Verb[];
}

const step: fc.Arbitrary<Step> = fc.record({
  jump: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 12 }) },
    { weight: 1, arbitrary: fc.integer({ min: -40, max: 200_000 }) },
  ),
  via: fc.nat({ max: 1 }),
  verbs: fc.array(verbs, { minLength: 1, maxLength: 4 }),
});

async function answer(run: Promise<unknown>): Promise<unknown> {
  try {
    return await run;
  } catch (error) {
    return (error as Error).constructor.name;
  }
}

/** What a claim gives beside its jobs is what `inputs` says; which it gives is up to the store. */
async function settled(store: Store, run: Promise<Settled>): Promise<Settled> {
  const { claimed, ...rest } = await run;
  const given = claimed.filter(({ inputs }) => inputs !== undefined);
  assert.deepEqual(
    given.map(({ inputs }) => inputs),
    await store.inputs(given.map(({ id }) => id)),
  );
  return {
    ...rest,
    claimed: claimed.map((job) => Object.fromEntries(Object.entries(job).filter(([name]) => name !== "inputs")) as ClaimedJob),
  };
}

function byName<T>(rows: readonly T[]): T[] {
  return rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

async function contents(store: Store): Promise<unknown> {
  return [
    await store.list({}, { limit: 1e9 }),
    await store.workers(),
    await store.queues(),
    await dumpAll(store, 7),
    await store.records("", "", 1000),
    byName(await store.gates(gateNames)),
    byName(await store.lines(1000)),
  ];
}

/** Learns from the reference which claims there are. */
function learn(known: Known, answers: readonly unknown[]): void {
  for (const each of answers) {
    const claimed = Array.isArray(each) ? each : ((each as { claimed?: unknown[] } | undefined)?.claimed ?? []);
    for (const job of claimed as { id?: string; fence?: number; args?: string }[]) {
      if (job?.fence !== undefined && job.args !== undefined)
        known.claims.push({ id: job.id ?? "", fence: job.fence, worker: "" });
    }
  }
}

async function ownersOf(store: Store, known: Known): Promise<void> {
  const jobs = new Map((await store.get(known.claims.map(({ id }) => id))).map((job) => [job.id, job]));
  for (const claim of known.claims) {
    const job = jobs.get(claim.id);
    if (job && isHeld(job) && job.fence === claim.fence) claim.worker = job.worker ?? "";
  }
}

/** Opens one new, empty store twice. */
type OpenTwo = () => Promise<readonly [Store, Store]>;

/** What happened to each job, in its order. */
async function stories(store: Store, after: string): Promise<unknown> {
  const stories: Record<string, unknown[]> = {};
  for (let from = after; ;) {
    const { events, next } = await store.events(from, 13);
    for (const { cursor: _cursor, at: _at, ...event } of events) (stories[event.id] ??= []).push(event);
    if (next === from) return stories;
    from = next;
  }
}

async function beginning(store: Store): Promise<string> {
  await store.keepEvents(1e15);
  return (await store.events(null, 1)).next;
}

async function play(steps: readonly Step[], openTwo: OpenTwo): Promise<void> {
  const known: Known = { now: start, ids: [], claims: [] };
  const memory = memoryStore();
  const stores = await openTwo();
  try {
    const [first, firstTried] = [await beginning(memory), await beginning(stores[0])];
    for (const { jump, via, verbs: drawn } of steps) {
      known.now += jump;
      const tried = stores[via] ?? stores[0];
      const concrete = drawn.map((verb) => verb(known));
      const expected = await Promise.all(concrete.map((verb) => answer(verb(memory))));
      const found = await Promise.all(concrete.map((verb) => answer(verb(tried))));
      assert.deepEqual(found, expected);
      assert.deepEqual(await contents(tried), await contents(memory));
      learn(known, expected);
      await ownersOf(memory, known);
    }
    assert.deepEqual(await stories(stores[1], firstTried), await stories(memory, first));
  } finally {
    await Promise.all([memory, ...stores].map((store) => store.close()));
  }
}

/** Declares the test of a store. Prints its seed; MANYHANDS_SEED and MANYHANDS_RUNS repeat and lengthen it. */
export function playModel(name: string, openTwo: OpenTwo, runs: number, skip: string | false = false): void {
  void test(
    `${name}: random interleavings of all verbs give the answers and the contents of the memory store`,
    { skip },
    async (t) => {
      const seed = Number(process.env["MANYHANDS_SEED"] ?? Date.now() % 2 ** 31);
      const numRuns = Number(process.env["MANYHANDS_RUNS"] ?? runs);
      t.diagnostic(`seed ${seed}; MANYHANDS_SEED=${seed} repeats it`);
      const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => play(steps, openTwo));
      await fc.assert(property, { seed, numRuns, endOnFailure: false });
    },
  );
}
