// How much of a task may run at once, how often it may start, and who is next among equals: `concurrency`, `rate` and `fair`. They
// are checked where the task is defined and laid out as the gates a job has to pass, in the order in which it passes them. A job
// that waits at one has a place at those before it, so the order decides whom it keeps waiting:
//   1. those with a key before those without: who waits for its key holds up its own key. The other way round, jobs of one busy key would
//      take all the places of the whole task and keep them while they wait, and the task would stand still.
//   2. a rate before a concurrency: a token is soon regained, a place is kept until the job stops and would lie idle meanwhile.
//   3. `fair` between the two: behind its gate each key has a window of jobs, whose next comes when one has started, and from there on a job
//      stands in every line where it passed the gate before.
// Limits that are alike go by their names: were shared ones passed in one order here and in another there, two jobs could each have the place
// that the other waits for.
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkInteger, checkOptions } from "../core/suggest.ts";
import type { Key } from "./key.ts";
import { checkKey } from "./key.ts";

/** At most so many at a time, in the whole fleet. */
export interface Concurrency<Args extends readonly unknown[] = readonly unknown[]> {
  /** How many attempts run at a time: a whole number from 1. */
  readonly limit: number;
  /** Counted for each key by itself. Default: for all jobs together. */
  readonly key?: Key<Args>;
  /** Tasks that name the same limit share it; the job submitted last says how wide it is. Default: the task's own name. */
  readonly name?: string;
}

/** At most so many starts in a time, in the whole fleet: a token bucket in the store. */
export interface Rate<Args extends readonly unknown[] = readonly unknown[]> {
  /** How many attempts may start `per` time: a whole number from 1. Regained evenly: 60 a minute is one a second. */
  readonly limit: number;
  /** The time they are counted in. */
  readonly per: Duration;
  /** Counted for each key by itself. Default: for all jobs together. */
  readonly key?: Key<Args>;
  /** Tasks that name the same limit share it; the job submitted last says how wide it is. Default: the task's own name. */
  readonly name?: string;
  /** How many may start at once after a quiet time. Default: `limit`. With 1, starts are spread evenly. */
  readonly burst?: number;
}

/** Even shares between keys, however many jobs each of them has waiting. */
export interface Fair<Args extends readonly unknown[] = readonly unknown[]> {
  /** Whose share it is: a tenant, a customer. */
  readonly key: Key<Args>;
  /** A share twice as large is 2. A number from 0.1 to 100, or a function of the arguments that gives one for their key. Default 1. */
  readonly weight?: number | ((...args: Args) => number);
}

/** One, or several; all must hold. */
export type OneOrMore<T> = T | readonly T[];

/** A limit with everything filled in: what becomes a gate. */
export interface Limit {
  readonly kind: "concurrency" | "rate" | "fair";
  /** Undefined: the task's. */
  readonly name: string | undefined;
  readonly key: Key<never> | undefined;
  readonly room: number | ((...args: never) => number);
  readonly everyMs: number | null;
  readonly until: "started" | "stopped";
}

/** What `resolveLimits` reads of a task's options. */
export interface LimitOptions {
  readonly concurrency?: OneOrMore<number | Concurrency<never>> | undefined;
  readonly rate?: OneOrMore<Rate<never>> | undefined;
  readonly fair?: Fair<never> | undefined;
}

/**
 * So many jobs of a key, times its weight, are ready at a time; the others stand behind its gate, and who starts lets the next of its
 * key in at the end of the line of ready jobs. A wider window would keep a newcomer waiting longer (behind a window of every other key),
 * a narrower one would make weights coarser and give a key that is alone fewer jobs in one claim.
 */
const fairWindow = 16;
const leastWeight = 0.1;
const mostWeight = 100;
const widest = 2 ** 31 - 1;

function asList<T>(given: OneOrMore<T> | undefined, where: string): readonly T[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) return [given as T];
  if (given.length > 0) return given as readonly T[];
  throw new UsageError(`${where} is an empty list. Leave it out for no limit.`);
}

function checkLimitName(name: unknown, where: string): string | undefined {
  if (name === undefined || (typeof name === "string" && /^[\w\-.:/]{1,128}$/.test(name))) return name;
  throw new UsageError(`${where} has 1 to 128 letters, digits or _ - . : /, found ${show(name)}.`);
}

function checkBag(given: unknown, known: readonly string[], where: string): void {
  if (typeof given !== "object" || given === null) {
    throw new UsageError(`${where} must be an object such as { limit: 10 }, found ${show(given)}.`);
  }
  checkOptions(given, known, where);
}

function shared(given: Concurrency<never> | Rate<never>, where: string): Pick<Limit, "name" | "key"> {
  if (given.key !== undefined) checkKey(given.key, `${where}.key`);
  return { name: checkLimitName(given.name, `${where}.name`), key: given.key };
}

function concurrency(given: number | Concurrency<never>, where: string): Limit {
  const asked = typeof given === "number" ? { limit: given } : given;
  checkBag(asked, ["limit", "key", "name"], where);
  const room = checkInteger(asked.limit, typeof given === "number" ? where : `${where}.limit`, 1, widest);
  return { kind: "concurrency", ...shared(asked, where), room, everyMs: null, until: "stopped" };
}

function rate(given: Rate<never>, where: string): Limit {
  checkBag(given, ["limit", "per", "key", "name", "burst"], where);
  const limit = checkInteger(given.limit, `${where}.limit`, 1, widest);
  const perMs = toMs(given.per, `${where}.per`);
  if (perMs === 0) throw new UsageError(`${where}.per must be longer than 0, found ${show(given.per)}.`);
  const room = checkInteger(given.burst ?? limit, `${where}.burst`, 1, widest);
  return { kind: "rate", ...shared(given, where), room, everyMs: perMs / limit, until: "started" };
}

/** How many jobs of a key of this weight are ready at a time. Throws {@link UsageError} for what is no weight. */
export function fairRoom(weight: unknown, where: string): number {
  if (typeof weight === "number" && weight >= leastWeight && weight <= mostWeight) return Math.round(weight * fairWindow);
  throw new UsageError(`${where} must be a number from ${leastWeight} to ${mostWeight}, found ${show(weight)}.`);
}

function fair(given: Fair<never>, where: string): Limit {
  if (typeof given !== "object" || given === null) {
    throw new UsageError(`${where} must be an object such as { key: (order) => order.tenant }, found ${show(given)}.`);
  }
  checkOptions(given, ["key", "weight"], where);
  checkKey(given.key, `${where}.key`);
  const { key, weight = 1 } = given;
  const room =
    typeof weight === "function"
      ? (...args: never): number => fairRoom((weight as (...args: never) => unknown)(...args), `${where}.weight`)
      : fairRoom(weight, `${where}.weight`);
  return { kind: "fair", name: undefined, key, room, everyMs: null, until: "started" };
}

/** Two limits that would be one gate, of which the later would always say how wide it is. */
function checkDistinct(limits: readonly Limit[], where: string): void {
  const seen = new Set<string>();
  for (const { kind, name, key } of limits) {
    const identity = `${kind} ${name ?? ""} ${key === undefined ? "" : "by key"}`;
    if (!seen.has(identity)) seen.add(identity);
    else
      throw new UsageError(
        `${where} has two ${kind} limits ${key === undefined ? "without" : "with"} a key that are told apart by nothing. Give one a "name".`,
      );
  }
}

// Before the gate of another key jobs would stand in the order in which they were added, those of a long backlog first; behind it, the window
// of a key could be full of jobs that wait there.
function checkFair(limits: readonly Limit[], where: string): void {
  const fairness = limits.find(({ kind }) => kind === "fair");
  const other = fairness && limits.find(({ key }) => key !== undefined && key !== fairness.key);
  if (!other) return;
  throw new UsageError(
    `${where} has "fair" beside a ${other.kind} limit with another key: the shares would not be even where jobs wait for that. Use the very same key ` +
      "function for both, or one of them.",
  );
}

const ranks: Readonly<Record<Limit["kind"], number>> = { rate: 0, concurrency: 1, fair: 2 };

function rank({ kind, key }: Limit): number {
  return ranks[kind] + (key === undefined ? 3 : 0);
}

function nameOrder({ name: a = "" }: Limit, { name: b = "" }: Limit): number {
  return a < b ? -1 : Number(a > b);
}

/** The limits of a task in the order in which its jobs pass them. Throws {@link UsageError} for what makes no sense. */
export function resolveLimits(options: LimitOptions, where: string): readonly Limit[] {
  const { concurrency: places, rate: rates, fair: shares } = options;
  if (places === undefined && rates === undefined && shares === undefined) return [];
  const limits = [
    ...asList(places, `${where} concurrency`).map((each) => concurrency(each, `${where} concurrency`)),
    ...asList(rates, `${where} rate`).map((each) => rate(each, `${where} rate`)),
    ...(shares === undefined ? [] : [fair(shares, `${where} fair`)]),
  ];
  checkDistinct(limits, where);
  checkFair(limits, where);
  return limits.sort((a, b) => rank(a) - rank(b) || nameOrder(a, b));
}
