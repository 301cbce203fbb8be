// What a task requires of the worker that runs it, and whether a worker's labels meet it. A requirement travels with the job in the
// text of its line: the task's name and, after a line break, the requirements as JSON. They are written in one way only, so that
// equal ones are one line in a store, which gives out whole lines and never looks inside them.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";

/** What a worker says of itself under one name: `true`, a number, a text, or a size such as `"16GiB"`. */
export type Label = boolean | number | string;

/** What a worker has: `{ gpu: true, memory: "16GiB", zone: "a" }`. */
export type Labels = Readonly<Record<string, Label>>;

/**
 * What a label must be: the same value; one of a list; or, in a text that begins with `>=`, `<=`, `>` or `<`, at least, at most, more or less than a number
 * or a size (`">=8GiB"`). Sizes are in bytes: kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024).
 */
export type Requirement = Label | readonly Label[];

/** Requirements by the name of the label; all must be met. A worker without that label does not meet it. */
export type Requires = Readonly<Record<string, Requirement>>;

const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** A store keeps it with each job, and a claim names it. */
const longest = 500;
const most = 32;

/** The size that a text seems to mean and does not say: `"16GiB"` for `"16Gib"`, `"16gib"` and `"16Gi"`. A single letter may be anything. */
function meantSize(text: string): string | undefined {
  const [, number = "", unit = ""] = /^(-?\d+(?:\.\d+)?) ?([A-Za-z]{2,3})$/.exec(text) ?? [];
  if (Object.hasOwn(units, unit)) return undefined;
  const meant = Object.keys(units).find(
    (known) => known.length > 1 && (known.toLowerCase() === unit.toLowerCase() || known === `${unit}B`),
  );
  return meant && number + meant;
}

function quantity(value: Label): number | undefined {
  if (typeof value === "number") return value;
  const match = typeof value === "string" ? /^(-?\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(value) : null;
  const unit = match && units[match[2] ?? ""];
  return typeof unit === "number" ? Number(match?.[1]) * unit : undefined;
}

interface Comparison {
  readonly operator: ">=" | "<=" | ">" | "<";
  readonly bound: string;
}

function comparison(required: Requirement): Comparison | undefined {
  const match = typeof required === "string" ? /^(>=|<=|>|<)\s*(.*)$/.exec(required) : null;
  return match ? { operator: match[1] as Comparison["operator"], bound: match[2] as string } : undefined;
}

function checkKey(key: string, where: string): void {
  if (/^[\w\-.:/]{1,64}$/.test(key)) return;
  throw new UsageError(`${where}: a label's name has 1 to 64 letters, digits or _ - . : /, found ${show(key)}.`);
}

function checkLabel(value: unknown, what: string): Label {
  if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) return value;
  // oxlint-disable-next-line no-control-regex -- control characters are just what a label must not hold
  if (typeof value === "string" && /^[^\u0000-\u001f]{1,128}$/.test(value)) return checkText(value, what);
  throw new UsageError(`${what} must be true, false, a number or a text of 1 to 128 characters, found ${show(value)}.`);
}

function checkText(text: string, what: string): string {
  const meant = meantSize(text);
  if (meant === undefined) return text;
  throw new UsageError(`${what}: ${show(text)} is no size, and would be compared as a mere text. Did you mean "${meant}"?`);
}

function checkBag(given: unknown, what: string): [string, unknown][] {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new UsageError(`${what} takes an object such as { gpu: true, memory: "16GiB" }, found ${show(given)}.`);
  }
  const entries = Object.entries(given);
  if (entries.length > most) throw new UsageError(`${what} takes at most ${most} names, found ${entries.length}.`);
  for (const [key] of entries) checkKey(key, what);
  return entries;
}

function canonical(required: unknown, what: string): Requirement {
  if (Array.isArray(required)) {
    if (required.length === 0) throw new UsageError(`${what} is an empty list: no worker could ever meet it.`);
    const texts = required.map((each) => JSON.stringify(canonicalLabel(each, what)));
    const sorted = [...new Set(texts)].sort().map((text) => JSON.parse(text) as Label);
    return sorted.length === 1 ? (sorted[0] as Label) : sorted;
  }
  const compared = comparison(required as Requirement);
  if (!compared) return checkLabel(required, what);
  const { operator, bound } = compared;
  if (quantity(bound) !== undefined) return `${operator}${bound}`;
  throw new UsageError(`${what} compares with ${show(bound)}. Compare with a number or a size, such as ">=4" or ">=8GiB".`);
}

function canonicalLabel(value: unknown, what: string): Label {
  if (comparison(value as Requirement))
    throw new UsageError(`${what}: a list holds values, not comparisons, found ${show(value)}.`);
  return checkLabel(value, what);
}

/** The requirements as they are stored; "" when there are none. Throws {@link UsageError} for what no worker could understand. */
export function writeRequires(given: Requires | undefined, where: string): string {
  if (given === undefined) return "";
  const entries = checkBag(given, `${where} requires`).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return "";
  const text = JSON.stringify(
    Object.fromEntries(entries.map(([key, value]) => [key, canonical(value, `${where} requires.${key}`)])),
  );
  if (text.length <= longest) return text;
  throw new UsageError(
    `${where} requires is too long: ${text.length} characters of JSON, and at most ${longest} are kept with a job.`,
  );
}

/** The labels, checked. */
export function checkLabels(given: Labels | undefined, where: string): Labels {
  if (given === undefined) return {};
  return Object.fromEntries(checkBag(given, where).map(([key, value]) => [key, checkLabel(value, `${where}.${key}`)]));
}

function isSame(required: Label, label: Label): boolean {
  if (required === label) return true;
  const asked = quantity(required);
  return asked !== undefined && asked === quantity(label);
}

function meetsOne(required: Requirement, label: Label | undefined): boolean {
  if (label === undefined) return false;
  if (typeof required === "object") return required.some((each) => isSame(each, label));
  const compared = comparison(required);
  if (!compared) return isSame(required, label);
  const has = quantity(label);
  const bound = quantity(compared.bound);
  if (has === undefined || bound === undefined) return false;
  switch (compared.operator) {
    case ">=":
      return has >= bound;
    case "<=":
      return has <= bound;
    case ">":
      return has > bound;
    case "<":
      return has < bound;
  }
}

/** Reads stored requirements; null when there are none. Undefined for a text that another program wrote otherwise. */
export function readRequires(text: string): Requires | null | undefined {
  if (text === "") return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Requires) : undefined;
  } catch {
    // Not ours: nobody can say what it requires, so nobody meets it.
    return undefined;
  }
}

/** True when a worker with these labels may run what has these stored requirements. */
export function meets(requires: string, labels: Labels): boolean {
  const wanted = readRequires(requires);
  if (!wanted) return wanted === null;
  return Object.entries(wanted).every(([key, required]) =>
    meetsOne(required, Object.hasOwn(labels, key) ? labels[key] : undefined),
  );
}

/** The line of jobs of this task with these stored requirements. */
export function lineOf(task: string, requires: string): string {
  return requires === "" ? task : `${task}\n${requires}`;
}

/** The task's name in a line. */
export function nameOf(line: string): string {
  const at = line.indexOf("\n");
  return at < 0 ? line : line.slice(0, at);
}

/** The stored requirements in a line; "" when there are none. */
export function requiresOf(line: string): string {
  const at = line.indexOf("\n");
  return at < 0 ? "" : line.slice(at + 1);
}
