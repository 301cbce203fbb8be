// A task that is an async generator gives parts of its output while it runs, and at the end a result: what it returns.

/** A task's result: of a generator, what it returns. */
export type ResultOf<Returns> = Returns extends AsyncGenerator<unknown, infer Result, unknown> ? Result : Awaited<Returns>;

/** How the parts of a call are read. */
export interface StreamOptions {
  /**
   * Called when an attempt of which parts have been read has failed, or was given back, and another begins: what was read is void, and the next part is
   * the first again. Without it reading rejects with a RestartedError then.
   */
  readonly restarted?: () => void;
}

/** True for what an async generator function returns. */
export function isGenerator(value: unknown): value is AsyncGenerator {
  if (typeof value !== "object" || value === null || !(Symbol.asyncIterator in value)) return false;
  const { next, return: end } = value as Partial<AsyncGenerator>;
  return typeof next === "function" && typeof end === "function";
}

/**
 * Runs a generator to its end and resolves with what it returns. `emit` takes each part, and may have it wait. A task that is to stop
 * stops at its next part at the latest, with its `finally` blocks: `stopped` gives the reason.
 */
export async function drive(
  generator: AsyncGenerator,
  emit: (part: unknown) => Promise<void> | undefined,
  stopped: () => unknown,
): Promise<unknown> {
  for (;;) {
    const next = await generator.next();
    if (next.done) return next.value;
    try {
      const wait = emit(next.value);
      if (wait) await wait;
      const reason = stopped();
      if (reason !== undefined) throw reason;
    } catch (error) {
      await generator.return(undefined);
      throw error;
    }
  }
}
