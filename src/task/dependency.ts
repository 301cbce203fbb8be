// The error of a call that could not run because of another one far below it: which one, by which way, and why.
import { DependencyFailedError } from "../core/errors.ts";

/** So many names from each end are shown of a longer way. */
const shownNames = 5;

/** The way as one text: `report > total > countWords`. */
function showPath(path: readonly string[]): string {
  const left = path.length - 2 * shownNames;
  const shown = left <= 1 ? path : [...path.slice(0, shownNames), `(${left} more)`, ...path.slice(-shownNames)];
  return shown.join(" > ");
}

/** `who` could not run because the call at the end of `path` did not succeed, with `error`. */
export function dependencyFailed(
  who: string,
  { path, jobId, error }: { readonly path: readonly string[]; readonly jobId: string; readonly error: unknown },
): DependencyFailedError {
  const why = error instanceof Error ? `: ${error.message}` : ".";
  return new DependencyFailedError(
    `${who} could not run because task "${path.at(-1)}" (${jobId}), which it depends on, did not succeed (${showPath(path)})${why}`,
    path,
    jobId,
    { cause: error },
  );
}
