// The tasks of the executor suite. They say what they did in files, because they may run in any thread, process or machine that
// sees the same folder; and they wait for each other there, so that no case has to sleep.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { ManyhandsError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { StandardSchema } from "../../task/schema.ts";
import { context as executorContext } from "../../pool/context.ts";
import { batchTask } from "../../task/batch.ts";
import { call } from "../../task/call.ts";
import { context } from "../../task/context.ts";
import { chunks, group, skip } from "../../task/flow.ts";
import { snooze } from "../../task/snooze.ts";
import { task } from "../../task/task.ts";
import { transfer } from "../../task/transfer.ts";

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
}

function mark(file: string, line: string): void {
  appendFileSync(file, `${line}\n`);
}

async function untilLines(file: string, count: number): Promise<void> {
  while (linesOf(file).length < count) await delay(2);
}

export const echo = task("suite.echo", (value: unknown) => value);
export const double = task("suite.double", (n: number) => n * 2);
export const add = task("suite.add", (a: number, b: number) => a + b);
export const sum = task("suite.sum", (numbers: number[]) => numbers.reduce((a, b) => a + b, 0));
export const later = task("suite.later", async (value: unknown) => {
  await delay(1);
  return value;
});
export const total = task("suite.total", (input: { readonly parts: readonly { readonly value: number }[] }, factor: number) =>
  input.parts.reduce((all, part) => all + part.value * factor, 0),
);

/** Writes a line, so that it can be counted how often it ran; gives the line. */
export const note = task("suite.note", (file: string, line: string) => {
  mark(file, line);
  return line;
});

/** Gives its first argument. */
export const first = task("suite.first", (one: unknown, _other: unknown) => one);

/** What the context of a task says. */
export const about = task("suite.about", async () => {
  const { id, attempt, task, signal } = context();
  await delay(1);
  return { id, attempt, task, aborted: signal.aborted, same: context().id === id };
});

/** Its input, and the job it was in. */
export const whoRan = task("suite.whoRan", (n: number) => ({ n, id: context().id }));

/** Submits graphs of its own. */
export const gathering = task("suite.gathering", async (file: string) => {
  const { submit } = executorContext();
  const members = [call(double, 1), call(throwing, "error"), call(double, 3)];
  const outcomes = await submit(group(members, { failed: "collect" }));
  const late = await submit(call(never.with({ retries: 3 }), file), { deadline: 50 }).catch((error: Error) => error.message);
  return {
    sum: await submit(call(sum, skip(members))),
    statuses: outcomes.map(({ status }) => status),
    chunks: await submit(sum, chunks(double, [1, 2, 3], 2)),
    nested: await submit(group([group([call(double, 1)]), group([])])),
    late,
  };
});

export const reportProgress = task("suite.reportProgress", async (release: string) => {
  context().progress(0.25, "a quarter");
  await untilLines(release, 1);
});

const kept = { count: 0, seen: [] as number[] };
/** Gives an object that it keeps and changes in the next call. */
export const giveKept = task("suite.giveKept", (n: number) => {
  kept.count = n;
  kept.seen = [n];
  return kept;
});

export const giveBad = task("suite.giveBad", () => ({ deep: [{ onDone: () => undefined }] }));

/** Throws the value that goes by this name. */
export const throwing = task("suite.throwing", (what: string): number => {
  const cyclic: { self?: unknown } & Error = new Error("cyclic");
  cyclic.self = cyclic;
  const coded = Object.assign(new RangeError("out of range", { cause: new TypeError("the cause") }), {
    code: "E_RANGE",
    limit: 7n,
  });
  const values: Readonly<Record<string, unknown>> = {
    error: coded,
    own: new ManyhandsError("OWN", "its own code"),
    aggregate: new AggregateError([new Error("one"), "two"], "several"),
    cyclic,
    string: "just a text",
    number: 42,
    null: null,
    undefined: undefined,
    object: { reason: ["an", "object"] },
    function: () => undefined,
    symbol: Symbol("thrown"),
  };
  throw values[what];
});

export const rejecting = task("suite.rejecting", async (message: string): Promise<number> => {
  await delay(1);
  throw new Error(message);
});

/** Fails until the attempt `from`; writes the number of each. */
export const flaky = task("suite.flaky", (file: string, from: number) => {
  const { attempt } = context();
  mark(file, String(attempt));
  if (attempt < from) throw Object.assign(new Error(`attempt ${attempt} fails`), { attempt });
  return attempt;
});

/** Says that it has started, and never ends unless its signal is aborted. */
export const untilAborted = task("suite.untilAborted", async (file: string): Promise<void> => {
  const { signal } = context();
  mark(file, "started");
  await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
});

/** As `untilAborted`, with a value to depend on. */
export const afterAll = task("suite.afterAll", async (file: string, ..._before: unknown[]): Promise<void> => {
  mark(file, "started");
  await new Promise(() => undefined);
});

/** Writes the reason with which it was aborted, then ends well all the same. */
export const shrugging = task("suite.shrugging", async (file: string): Promise<string> => {
  const { signal } = context();
  mark(file, "started");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  mark(file, (signal.reason as Error).name);
  return "done all the same";
});

/** Says that it has started; its promise never settles, and it heeds no signal. */
export const never = task("suite.never", async (file: string): Promise<void> => {
  mark(file, "started");
  await new Promise(() => undefined);
});

/** Says that it has started, and holds its thread until the end of time. */
export const busy = task("suite.busy", (file: string): void => {
  mark(file, "started");
  for (;;);
});

/** Waits until a file has so many lines. */
export const waitFor = task("suite.waitFor", async (file: string, count: number) => {
  await untilLines(file, count);
  return count;
});

/** Writes a line and waits until all of `count` have: ends only where so many run at the same time. */
export const meet = task("suite.meet", async (file: string, count: number) => {
  mark(file, "here");
  await untilLines(file, count);
  return true;
});

/** A short task, but for `slow`, which waits until all the others have run. */
export const shortOrSlow = task("suite.shortOrSlow", (file: string, n: number, slow: number, others: number) => {
  if (n === slow) return untilLines(file, others).then(() => n);
  mark(file, String(n));
  return n;
});

/** Ends its thread or process, if `n` is `when`. */
export const exitWhen = task("suite.exitWhen", (file: string, n: number, when: number) => {
  mark(file, String(n));
  if (n === when) process.exit(3);
  return n;
});
export const exit = task("suite.exit", (file: string, code: number): number => {
  mark(file, "ran");
  process.exit(code);
});
/** Ends its thread or process in the first `times` attempts. */
export const exitAtFirst = task("suite.exitAtFirst", (file: string, times: number) => {
  mark(file, String(context().attempt));
  if (linesOf(file).length <= times) process.exit(1);
  return context().attempt;
});
/** Has an error that nothing catches end its thread or process. */
export const uncaught = task("suite.uncaught", async (): Promise<void> => {
  systemRuntime.defer(() => {
    throw new TypeError("nobody caught this");
  });
  await new Promise(() => undefined);
});

export const addToShared = task(
  "suite.addToShared",
  (shared: Int32Array, at: number, by: number) => Atomics.add(shared, at, by) + by,
);
export const firstAndLength = task("suite.firstAndLength", (numbers: Float64Array) => [numbers[0], numbers.length]);
export const giveMoved = task("suite.giveMoved", (length: number) => transfer(new Float64Array(length).fill(3)));

function schema<T>(name: string, fits: (value: unknown) => value is T, change: (value: T) => T): StandardSchema<T> {
  const validate = (value: unknown) =>
    fits(value) ? { value: change(value) } : { issues: [{ message: `no ${name}`, path: ["n"] }] };
  return { "~standard": { version: 1, vendor: "suite", validate } };
}
const isNumber = (value: unknown): value is number => typeof value === "number";
/** Its input becomes a whole number, its result must be less than 100. */
export const checked = task("suite.checked", (n: number) => n * 10, {
  input: schema("number", isNumber, Math.floor) as StandardSchema,
  output: schema(
    "small number",
    (value): value is number => isNumber(value) && value < 100,
    (value) => value + 0.5,
  ),
});

/** Puts itself off until a file has so many lines; each time it writes its attempt. */
export const putOff = task(
  "suite.putOff",
  (file: string, times: number) => {
    const { attempt } = context();
    mark(file, String(attempt));
    if (linesOf(file).length <= times) throw snooze(1);
    return attempt;
  },
  { expires: "1m" },
);

/** Writes how many it was given; a text fails as it says, and snoozes until the file has so many lines. */
export const together = batchTask(
  "suite.together",
  async (inputs: readonly { readonly file: string; readonly text: string }[]) => {
    const file = inputs[0]?.file ?? "";
    mark(file, String(inputs.length));
    const lines = linesOf(file).length;
    await delay(1);
    return inputs.map(({ text }) => {
      if (text === "bad") return new RangeError("bad");
      if (text === "flaky" && lines < 2) return new TypeError("not yet");
      if (text === "late" && lines < 3) return snooze(1);
      return text === "function" ? (): void => undefined : text.toUpperCase();
    });
  },
  { batch: { size: 10, wait: "200ms" } },
);

/** Waits, or ends its thread or process, with all there is in the batch. */
export const waitTogether = batchTask(
  "suite.waitTogether",
  async (inputs: readonly { readonly file: string; readonly release: string; readonly text: string }[]) => {
    mark(inputs[0]?.file ?? "", inputs.map(({ text }) => text).join(","));
    if (inputs.some(({ text }) => text === "die")) process.exit(3);
    if (inputs.some(({ text }) => text === "never")) await new Promise(() => undefined);
    await untilLines(inputs[0]?.release ?? "", 1);
    return inputs.map(({ text }) => text);
  },
  { batch: { size: 3, wait: "10s" } },
);

/** Yields what it was given, then returns how many there were. */
export const rows = task("suite.rows", async function* (values: readonly unknown[]) {
  for (const value of values) yield value;
  return values.length;
});

/** Yields its context's id, then again once `release` has a line, and writes to `file` when it is left. */
export const ticks = task("suite.ticks", async function* (file: string, release: string) {
  try {
    for (;;) {
      yield context().id;
      await untilLines(release, 1);
      yield context().attempt;
    }
  } finally {
    mark(file, "left");
  }
});

/** Yields its attempt twice; fails in between, unless it is attempt `from`, once `file` has a line. */
export const restarts = task(
  "suite.restarts",
  async function* (from: number, file: string) {
    const { attempt } = context();
    yield attempt;
    if (attempt < from) await untilLines(file, 1);
    if (attempt < from) throw new RangeError(`attempt ${attempt} fails`);
    yield attempt;
    return "done";
  },
  { backoff: { initial: 1 } },
);

/** Yields so many texts of 1000 characters. */
export const flood = task("suite.flood", async function* (count: number) {
  for (let i = 0; i < count; i++) yield String(i).padEnd(1000);
});

/** Yields what cannot be sent. */
export const unsendable = task("suite.unsendable", async function* () {
  yield { deep: [() => 1] };
});
