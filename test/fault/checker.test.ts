// The checker finds what it is there to find: a history in which all is well, and the same with one thing wrong each time.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job } from "../../src/store/job.ts";
import { encode } from "../../src/task/codec.ts";
import { check } from "./checker.ts";
import type { Evidence } from "./evidence.ts";
import type { Answered, Claimed, Line, Ran } from "./history.ts";
import type { Made } from "./tasks.ts";
import type { Submit } from "./workload.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Evidence that a test may spoil. */
interface Story {
  readonly submits: Writable<Submit>[];
  readonly jobs: Writable<Job>[];
  readonly history: Writable<Line>[];
  readonly seen: Map<string, string | null>;
}

/** A done job with the result its one execution made. */
function doneJob(id: string, task: string, made: Omit<Made, "id" | "attempt" | "fence" | "worker" | "token">, root = id): Job {
  const value: Made = { id, attempt: 1, fence: 1, worker: `w-${id}`, token: `t-${id}`, ...made };
  const dependencies = made.parts?.length ?? 0;
  const given = {
    task,
    queue: "default",
    priority: 0,
    policy: null,
    crashLimit: 1000,
    dueAt: null,
    expiresAt: null,
    keepMs: 1,
    gates: [],
  };
  const none = {
    parent: null,
    trace: null,
    error: null,
    cause: null,
    cancelAt: null,
    cancelReason: null,
    progress: null,
    waits: null,
    gate: null,
  };
  const times = { submittedAt: 0, readyAt: 0, startedAt: 0, endedAt: 0 };
  const stands = { state: "done", pending: 0, attempt: 1, crashes: 0, fence: 1, worker: value.worker, uniqueKey: null } as const;
  return {
    id,
    root,
    args: encode([made.n], "args"),
    result: encode(value, "result"),
    dependencies,
    ...given,
    ...none,
    ...times,
    ...stands,
  };
}

/** What its worker wrote down, from `at` on. */
function lines({ id, task, result }: Job, at: number): Line[] {
  const worker = `w-${id}`;
  return [
    { kind: "claimed", id, attempt: 1, fence: 1, worker, at },
    { kind: "ran", id, task, attempt: 1, fence: 1, worker, token: `t-${id}`, at: at + 1 },
    { kind: "accepted", id, fence: 1, worker, outcome: "done", result, sentAt: at + 2, at: at + 3 },
  ];
}

function submit(id: string, size: number, sentAt: number, key: string | null = null): Submit {
  return { id, size, key, sentAt, ackedAt: sentAt + 1, ackedId: id, error: null, told: null, acknowledged: Promise.resolve() };
}

/** A join over two leaves, and one job after another for one key. */
function well(): Story {
  const leaves = [1, 2].map((n) => doneJob(`leaf-${n}`, "fault.leaf", { n }, "join"));
  const parts = [1, 2].map((n) => ({ id: `leaf-${n}`, n, token: `t-leaf-${n}` }));
  const join = doneJob("join", "fault.join", { n: 3, parts });
  const keyed = ["one", "two"].map((id, n) => ({ ...doneJob(id, "fault.once", { n: 10 + n }), uniqueKey: "fault.once\nkey 1" }));
  const jobs = [...leaves, join, ...keyed];
  return {
    jobs,
    history: jobs.flatMap((job, i) => lines(job, 100 + 10 * i)),
    submits: [submit("join", 3, 90), submit("one", 1, 125, "key 1"), submit("two", 1, 135, "key 1")],
    seen: new Map([["one", keyed[0]?.result ?? null]]),
  };
}

/** Kinds of lines that name a job. */
interface LineOf {
  readonly ran: Writable<Ran>;
  readonly claimed: Writable<Claimed>;
  readonly accepted: Writable<Answered>;
}

function line<K extends keyof LineOf>(story: Story, kind: K, id: string): LineOf[K] {
  const found = story.history.find((each) => each.kind === kind && "id" in each && each.id === id);
  assert.ok(found);
  return found as LineOf[K];
}

function job(story: Story, id: string): Writable<Job> {
  const found = story.jobs.find((each) => each.id === id);
  assert.ok(found);
  return found;
}

function violations(story: Story): string {
  return check(story as Evidence)
    .violations.map(({ what }) => what)
    .join("\n");
}

test("nothing is found where all is well", () => {
  assert.equal(violations(well()), "");
  assert.deepEqual(check(well()).counts, {
    jobs: 5,
    joins: 1,
    acknowledged: 3,
    existing: 0,
    unacknowledged: 0,
    failed: 0,
    setAside: 0,
    repeated: 0,
    refused: 0,
    leasesLost: 0,
    longestOutageMs: 0,
  });
});

const again: (story: Story, id: string) => { readonly claimed: Claimed; readonly ran: Ran; readonly accepted: Answered } = (
  story,
  id,
) => ({
  claimed: { ...line(story, "claimed", id), fence: 2, attempt: 2, worker: "other" },
  ran: { ...line(story, "ran", id), fence: 2, attempt: 2, worker: "other", token: "t-other" },
  accepted: { ...line(story, "accepted", id), fence: 2, worker: "other" },
});

const spoilt: readonly [string, (story: Story) => void, RegExp][] = [
  ["an acknowledged job is lost", (story) => void story.jobs.splice(3, 1), /job one was acknowledged and is not stored/],
  ["a job has not ended", (story) => void (job(story, "one").state = "running"), /job one has not ended, it is running/],
  [
    "a job failed that cannot",
    (story) => void Object.assign(job(story, "one"), { state: "failed", result: null }),
    /job one has ended as failed/,
  ],
  [
    "a result nobody made",
    (story) => void (job(story, "one").result = encode(7, "result")),
    /job one is done with a result nobody made/,
  ],
  [
    "a result of an execution that is not in the history",
    (story) => void (line(story, "ran", "one").token = "another"),
    /job one has a result of which there are 0 executions/,
  ],
  [
    "the outcome of a lost lease",
    (story) => void Object.assign(job(story, "one"), { fence: 2, attempt: 2, worker: "other" }),
    /job one has the outcome of a lost lease: fence 1, .* the last claim is fence 2/,
  ],
  [
    "an outcome accepted of a claim after a later one",
    (story) => story.history.push({ ...again(story, "one").claimed, at: 131 }),
    /job one was settled by the done of worker w-one, fence 1, sent after fence 2 had been given to other/,
  ],
  [
    "two ends, both acknowledged",
    (story) => story.history.push(...Object.values(again(story, "one"))),
    /job one ended with the done of worker other, fence 2, which was acknowledged, and is stored as done, fence 1/,
  ],
  [
    "one claim given to two workers",
    (story) => story.history.push({ ...again(story, "one").claimed, fence: 1 }),
    /job one was given out twice under fence 1/,
  ],
  [
    "a retry that was forgotten",
    (story) => story.history.push({ ...line(story, "accepted", "one"), outcome: "retry", result: null }),
    /job one has ended without a claim after the retry/,
  ],
  [
    "a leaf that is lost",
    (story) => void story.jobs.splice(0, 1),
    /job join joined a result of leaf-1 that is not the one recorded/,
  ],
  ["a graph in part", (story) => void story.jobs.splice(0, 1), /job join is the root of 2 stored jobs of 3 submitted together/],
  [
    "a join without one of its leaves",
    (story) => void (job(story, "join").dependencies = 3),
    /job join joined 2 results of 3 dependencies/,
  ],
  ["a join that ran early", (story) => void (line(story, "ran", "join").at = 105), /job join ran before leaf-2/],
  ["a job nobody submitted", (story) => void story.submits.splice(1, 1), /job one is the root of 1 jobs nobody submitted/],
  [
    "two live jobs of one key",
    (story) => void (line(story, "accepted", "one").sentAt = 200),
    /job two lived at the same time as one, which has the same unique key/,
  ],
  [
    "a submit that was given a job of another key",
    (story) => void Object.assign(story.submits[2] ?? {}, { ackedId: "leaf-1" }),
    /job leaf-1 was given to a submit with the key "key 1"/,
  ],
  [
    "a submit that was given a job that had ended",
    (story) => void story.submits.push({ ...submit("three", 1, 140, "key 1"), ackedId: "one" }),
    /job one was given to a submit that came after its end/,
  ],
  ["an end that changed", (story) => void story.seen.set("one", "before"), /job one had ended with before and is stored with/],
  [
    "a future that was told something else",
    (story) => void Object.assign(story.submits[1] ?? {}, { told: { token: "another" } }),
    /job one is done by t-one; a future was told {"token":"another"}/,
  ],
  [
    "a submit that failed for no good reason",
    (story) => void Object.assign(story.submits[1] ?? {}, { error: "odd" }),
    /job one could not be submitted, for another reason than the network: odd/,
  ],
];

/** Three jobs of a key, of which two may run at a time; a saga; and a parent with its children. */
function more(): Story {
  const limited = ["l1", "l2", "l3"].map((id, n) => ({
    ...doneJob(id, "fault.limited", { n }),
    args: encode([n, "key", 1], "args"),
  }));
  const saga = doneJob("saga", "fault.saga", { n: 20, signal: 20, steps: ["s-first", "s-second", "s-third"] });
  const children = [31, 32, 33].map((n) => ({ ...doneJob(`child-${n}`, "fault.leaf", { n }, "parent"), parent: "parent" }));
  const parts = children.map(({ id }, i) => ({ id, n: 31 + i, token: `t-${id}` }));
  const parent = { ...doneJob("parent", "fault.parent", { n: 30, parts }), dependencies: 0 };
  const jobs = [...limited, saga, ...children, parent];
  const steps = ["first", "second", "third"].map((step, i) => {
    return { kind: "stepped", id: "saga", step, fence: 1, token: `s-${step}`, at: 132 + i } as const;
  });
  return {
    jobs,
    history: [...jobs.flatMap((job, i) => lines(job, 100 + 10 * i)), ...steps],
    submits: [...limited, saga].map(({ id }) => submit(id, 1, 90)).concat(submit("parent", 4, 90)),
    seen: new Map(),
  };
}

test("nothing is found where limits, steps and children are well", () => {
  assert.equal(violations(more()), "");
});

const spoiltMore: readonly [string, (story: Story) => void, RegExp][] = [
  [
    "too many of a key",
    (story) => {
      line(story, "accepted", "l1").sentAt = 125;
      line(story, "accepted", "l2").sentAt = 125;
    },
    /job l3 ran beside l1 and l2 and l3: room is for 2/,
  ],
  [
    "a step that ran again after the next",
    (story) => story.history.push({ kind: "stepped", id: "saga", step: "first", fence: 2, token: "s-again", at: 140 }),
    /job saga ran its step "first" again after its step "second"/,
  ],
  [
    "a step's result that nobody gave",
    (story) => void story.history.splice(story.history.length - 1, 1),
    /job saga has a result of its step "third" that no execution of it gave/,
  ],
  [
    "a child made twice",
    (story) => void story.jobs.push({ ...doneJob("twin", "fault.leaf", { n: 31 }, "parent"), parent: "parent" }),
    /job parent has 4 children, not 3/,
  ],
  [
    "a child's result that is not the recorded one",
    (story) => void (job(story, "child-32").parent = null),
    /job parent got a result of its child child-32 that is not the one recorded/,
  ],
];

for (const [name, spoil, expected] of spoiltMore) {
  test(`found: ${name}`, () => {
    const story = more();
    spoil(story);
    assert.match(violations(story), expected);
  });
}

for (const [name, spoil, expected] of spoilt) {
  test(`found: ${name}`, () => {
    const story = well();
    spoil(story);
    assert.match(violations(story), expected);
  });
}

test("executions beyond those that counted are numbered, and are no violation", () => {
  const story = well();
  story.history.push({ ...line(story, "ran", "one"), token: "repeated", fence: 0 });
  story.history.push({ ...line(story, "accepted", "one"), kind: "refused", fence: 0 });
  assert.equal(violations(story), "");
  const { repeated, refused } = check(story).counts;
  assert.deepEqual({ repeated, refused }, { repeated: 1, refused: 1 });
});
