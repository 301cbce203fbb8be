// The queues a worker takes from, as its user names them: names, patterns in which * stands for any text, and weights. An entry is one of
// them; each queue belongs to the first entry that fits it, its own name before any pattern.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkQueueName } from "../task/options.ts";

/** Names and patterns such as `"mail-*"`, or the weight of each: `{ "mail-*": 3, default: 1 }`. */
export type QueueChoice = readonly string[] | Readonly<Record<string, number>>;

type Pattern = readonly string[];

/** One name or pattern. */
export interface QueueEntry {
  /** As given. */
  readonly text: string;
  readonly weight: number;
  /** The texts between its stars; undefined for a name. */
  readonly pattern: Pattern | undefined;
}

const leastWeight = 0.001;
const mostWeight = 1000;

function patternOf(text: string): Pattern | undefined {
  return text.includes("*") ? text.split("*") : undefined;
}

/** Not by a regular expression: with many stars that could take for ever. */
function fits(pattern: Pattern, queue: string): boolean {
  const first = pattern[0] ?? "";
  const last = pattern.at(-1) ?? "";
  if (!queue.startsWith(first) || !queue.endsWith(last)) return false;
  let at = first.length;
  for (const part of pattern.slice(1, -1)) {
    const found = queue.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= queue.length - last.length;
}

function checkEntry(text: unknown): string {
  if (typeof text !== "string" || !text.includes("*")) return checkQueueName(text);
  if (/^[\w\-.:/*]{1,128}$/.test(text)) return text;
  throw new UsageError(`A pattern of queues has 1 to 128 letters, digits or _ - . : / and *, found ${show(text)}.`);
}

function checkWeight(weight: unknown, text: string): number {
  if (typeof weight === "number" && weight >= leastWeight && weight <= mostWeight) return weight;
  throw new UsageError(
    `work() queues: the weight of ${show(text)} must be a number from ${leastWeight} to ${mostWeight}, found ${show(weight)}.`,
  );
}

/** The entries, checked. Throws {@link UsageError}. */
export function queueEntries(choice: QueueChoice): readonly QueueEntry[] {
  if (typeof choice !== "object" || choice === null) {
    throw new UsageError(
      `work() queues must be a list of names, or weights such as { "mail-*": 3, default: 1 }, found ${show(choice)}.`,
    );
  }
  const given: [string, number][] = Array.isArray(choice)
    ? [...new Set(choice as readonly string[])].map((text) => [text, 1])
    : Object.entries(choice as Readonly<Record<string, number>>);
  if (given.length === 0) throw new UsageError("work() queues is empty: the worker would never get a job.");
  return given.map(([text, weight]) => ({ text: checkEntry(text), weight: checkWeight(weight, text), pattern: patternOf(text) }));
}

/** The entry a queue belongs to. */
export function entryOf<E extends Pick<QueueEntry, "text" | "pattern">>(entries: readonly E[], queue: string): E | undefined {
  return entries.find(({ text }) => text === queue) ?? entries.find(({ pattern }) => pattern && fits(pattern, queue));
}

/** True when a worker that announced these names and patterns takes from the queue. */
export function takesFrom(announced: readonly string[], queue: string): boolean {
  if (announced.includes(queue)) return true;
  return announced.some((text) => {
    const pattern = patternOf(text);
    return pattern !== undefined && fits(pattern, queue);
  });
}
