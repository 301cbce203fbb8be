// What every pool is reduced to before it is measured, so that one piece of code times them all. The layer is one
// function call thick and is the same for each contender.
import type { TaskName } from "./functions.ts";

/** A pool opened for one task. */
export interface Pool {
  /** Runs the task; the buffers in `transfer` are moved where the contender can move them. */
  readonly run: (input: unknown, transfer?: readonly ArrayBuffer[]) => PromiseLike<unknown>;
  /** The results in the order of the inputs, one by one. Absent where the contender has no such thing. */
  readonly stream?: (inputs: Iterable<unknown>) => AsyncIterable<unknown>;
  /** The results in the order of the inputs, all at once. Absent where the contender has no such thing. */
  readonly all?: (inputs: Iterable<unknown>) => PromiseLike<readonly unknown[]>;
  readonly close: () => Promise<unknown>;
}

/** Opens a contender with `size` workers for one task. */
export type OpenPool = (task: TaskName, size: number) => Promise<Pool>;

/** Imports a peer by name. The name is not a literal, so type checking works where no peer is installed. */
export async function peer<T>(name: string): Promise<T> {
  return (await import(name)) as T;
}

/** The path of a worker's file beside this module. */
export function workerFile(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
