// What is gathered goes to the store as one. When it is refused for what is in one of them (a text that middleware cannot seal, or one that is
// too large), the others are to come there.
import { StoreError, tooLargeCode } from "../core/errors.ts";

/** True for an error of one text, which is none of the store. */
export function isOfOne(error: unknown): boolean {
  return !(error instanceof StoreError) || error.code === tooLargeCode;
}

/** Writes a batch, together or, when one of it is in the way, each by itself; `refuse` gets what could not be written. */
export async function togetherOrApart<T>(
  batch: readonly T[],
  write: (some: readonly T[]) => Promise<void>,
  refuse: (some: readonly T[], error: unknown) => void,
  mayBeOfOne: (error: unknown, batch: readonly T[]) => boolean | Promise<boolean> = isOfOne,
): Promise<void> {
  try {
    await write(batch);
  } catch (error) {
    if (batch.length === 1 || !(await mayBeOfOne(error, batch))) refuse(batch, error);
    else await Promise.all(batch.map((each) => togetherOrApart([each], write, refuse)));
  }
}
