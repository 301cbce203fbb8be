// The size of a pool of workers.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { checkInteger } from "../core/suggest.ts";
import { coreCount } from "./cores.ts";

/** How many workers; `"auto"` is one for each core the program really has, container limits included. */
export type Size = number | "auto";

const mostWorkers = 1024;

/** The size as a number. Throws {@link UsageError} for anything else than `"auto"` or a whole number from 1. */
export function resolveSize(size: unknown, kind: string): number {
  if (size === undefined || size === "auto") return coreCount();
  if (typeof size === "number") return checkInteger(size, `${kind} size`, 1, mostWorkers);
  throw new UsageError(`${kind} size must be "auto" or a whole number, found ${show(size)}.`);
}

/** The name, where one is given. Throws {@link UsageError} for what is no text. */
export function checkName(name: unknown, kind: string): string | undefined {
  if (name === undefined || typeof name === "string") return name;
  throw new UsageError(`${kind} name must be a text, found ${show(name)}.`);
}

/** This program's environment with changes; undefined without any. */
export function mergeEnv(
  changes: Readonly<Record<string, string | undefined>> | undefined,
  kind: string,
): NodeJS.ProcessEnv | undefined {
  if (changes === undefined) return undefined;
  if (typeof changes !== "object" || changes === null || Array.isArray(changes)) {
    throw new UsageError(`${kind} env must be an object of environment variables, found ${show(changes)}.`);
  }
  const merged = { ...process.env, ...changes };
  for (const [name, value] of Object.entries(merged)) if (value === undefined) delete merged[name];
  return merged;
}
