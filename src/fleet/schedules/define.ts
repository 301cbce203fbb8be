// From what users say of a schedule to what is stored, and what differs between the two. Defining a schedule again as it is
// stored writes nothing: a deploy neither doubles its ticks nor shifts them, whatever the number of programs that define it.
import type { Duration } from "../../core/durations.ts";
import { toMs } from "../../core/durations.ts";
import { UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { show } from "../../core/show.ts";
import { checkOptions, didYouMean } from "../../core/suggest.ts";
import type { Call } from "../../task/call.ts";
import { isCall } from "../../task/call.ts";
import { mustBeAlone } from "../alone.ts";
import { plan } from "../plan.ts";
import type { CatchUp, Definition, Overlap, Stored } from "./record.ts";
import { checkScheduleName } from "./record.ts";
import type { Rhythm } from "./rhythm.ts";
import { templateOf } from "./template.ts";
import type { When } from "./when.ts";
import { checkWhen } from "./when.ts";

/** How a schedule behaves. */
export interface ScheduleOptions {
  /** The time zone of a cron text, such as `"Europe/Berlin"`. Default `"UTC"`, never that of the machine: workers on several must agree. */
  readonly timezone?: string;
  /**
   * What becomes of ticks that were missed, because no worker ran within ten seconds of them. `"latest"` (default): the last of
   * them fires, late. `"none"`: they are dropped. `"all"`: each of them fires, oldest first, at most the last 1000.
   */
  readonly catchUp?: CatchUp;
  /** How late a missed tick may be and still be caught up on. Default: any time for `"latest"`, `"1d"` for `"all"`. */
  readonly window?: Duration;
  /**
   * What becomes of a tick while the job of one before lives. `"allow"` (default): it fires. `"skip"`: it is dropped. `"queue"`: it
   * waits for the end of those before it, in order, at most 100 at a time; further ones are dropped. `"cancelOther"`: the
   * one before is cancelled, and the tick fires when it has ended.
   */
  readonly overlap?: Overlap;
  /** Paused or not from now on. Left out, a schedule that is already stored stays as it is: a pause outlives a deploy. */
  readonly paused?: boolean;
}

/** A schedule as one of a list. */
export interface ScheduleDefinition extends ScheduleOptions {
  readonly name: string;
  readonly when: When;
  readonly call: Call<unknown>;
}

/** A field of a schedule that is to change. */
export interface FieldChange {
  readonly field: "when" | "catchUp" | "window" | "overlap" | "call" | "paused";
  readonly from: unknown;
  readonly to: unknown;
}

/** A definition that has been checked; `paused` undefined is to stay as it is. */
export interface Checked {
  readonly name: string;
  readonly definition: Definition;
  readonly paused: boolean | undefined;
}

const optionNames = ["timezone", "catchUp", "window", "overlap", "paused"];
const catchUps: readonly CatchUp[] = ["none", "latest", "all"];
const overlaps: readonly Overlap[] = ["allow", "skip", "queue", "cancelOther"];
const defaultWindowMs = 864e5;

function checkOneOf<T extends string>(value: unknown, known: readonly T[], otherwise: T, what: string): T {
  if (value === undefined) return otherwise;
  if (known.includes(value as T)) return value as T;
  const guess = typeof value === "string" ? didYouMean(value, known) : `Known: ${known.join(", ")}.`;
  throw new UsageError(`${what} cannot be ${show(value)}. ${guess}`);
}

function checkWindow(window: Duration | undefined, catchUp: CatchUp, where: string): number | null {
  if (window === undefined) return catchUp === "all" ? defaultWindowMs : null;
  if (catchUp !== "none") return toMs(window, `${where} window`);
  throw new UsageError(`${where} has a window, and catchUp "none", which catches up on nothing. Leave one of them out.`);
}

/** Checks a definition, and lays its call out. Rejects with a UsageError or a CodecError. */
export async function checkDefinition(given: ScheduleDefinition, runtime: Runtime, now: number): Promise<Checked> {
  checkOptions(given ?? null, ["name", "when", "call", ...optionNames], "A schedule");
  const { name, when, call, ...options } = given;
  const where = `Schedule ${show(checkScheduleName(name))}`;
  if (!isCall(call)) throw new UsageError(`${where} needs a call, found ${show(call)}. Make one: call(task, ...arguments).`);
  if (options.paused !== undefined && typeof options.paused !== "boolean") {
    throw new UsageError(`${where} paused is true or false, found ${show(options.paused)}.`);
  }
  const catchUp = checkOneOf(options.catchUp, catchUps, "latest", `${where} catchUp`);
  const planned = plan(call, runtime, now);
  if (planned.alone)
    throw mustBeAlone(call.task.name, planned.alone, `, which is for submits, and ${where} calls it. Submit it yourself`);
  const definition: Definition = {
    when: await checkWhen(when, options.timezone, where),
    catchUp,
    windowMs: checkWindow(options.window, catchUp, where),
    overlap: checkOneOf(options.overlap, overlaps, "allow", `${where} overlap`),
    jobs: templateOf(call, planned, now, where),
  };
  return { name, definition, paused: options.paused };
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What a definition changes in what is stored; nothing when they are the same. */
export function changesOf(stored: Stored, { definition, paused }: Checked): readonly FieldChange[] {
  const pairs: FieldChange[] = [
    { field: "when", from: stored.when, to: definition.when },
    { field: "catchUp", from: stored.catchUp, to: definition.catchUp },
    { field: "window", from: stored.windowMs, to: definition.windowMs },
    { field: "overlap", from: stored.overlap, to: definition.overlap },
    { field: "call", from: stored.jobs, to: definition.jobs },
    { field: "paused", from: stored.paused, to: paused ?? stored.paused },
  ];
  return pairs.filter(({ from, to }) => !isSame(from, to));
}

/** The tick that fires next when a schedule begins, or goes on, at `now`; a single time that is over is a missed tick. */
function firstTick({ when }: Definition, rhythm: Rhythm, now: number): number | null {
  return "at" in when ? when.at : rhythm.after(now);
}

/** A schedule as it begins. */
export function begun({ definition, paused = false }: Checked, rhythm: Rhythm, now: number): Stored {
  const counts = { fired: 0, skipped: 0, missed: 0 };
  const next = paused ? null : firstTick(definition, rhythm, now);
  return { v: 1, ...definition, paused, next, last: null, live: [], queued: [], ...counts };
}

/** A stored schedule as it goes on with another definition: it keeps its next tick unless when it ticks has changed. */
export function redefined(stored: Stored, { definition, paused }: Checked, rhythm: Rhythm, now: number): Stored {
  const changed: Stored = { ...stored, ...definition };
  const next = isSame(stored.when, definition.when) || stored.paused ? stored.next : firstTick(definition, rhythm, now);
  return setPaused({ ...changed, next }, paused ?? stored.paused, rhythm, now);
}

/** Pauses a schedule or lets it go on. The ticks of a pause are dropped: it goes on with the first one after now. */
export function setPaused(stored: Stored, paused: boolean, rhythm: Rhythm, now: number): Stored {
  if (paused === stored.paused) return stored;
  return { ...stored, paused, next: paused ? null : rhythm.after(now) };
}
