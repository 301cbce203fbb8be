// How the process ends: by `leave`, and by nothing else without a word. Task modules are programs of others; one that calls
// process.exit, or throws in a timer, must not make the command look as if it had done its work.
import { inspect } from "node:util";
import { exitCode } from "./exit-code.ts";
import { placeOf } from "./place.ts";

let leaving = false;

/** Ends the process. Nothing else in the command line calls process.exit. */
export function leave(code: number): never {
  leaving = true;
  process.exit(code);
}

/** Calls `tell` when something else ends the process: a module or a task may call process.exit too, or throw where nobody catches. */
export function onForeignEnd(tell: (error: Error) => void): void {
  process.once("exit", (code) => {
    if (leaving) return;
    tell(new Error(`A module or a task called process.exit(${code}) before the command had done its work.`));
    process.exitCode = exitCode.usage;
  });
  process.once("uncaughtException", (thrown: unknown) => {
    const what = thrown instanceof Error ? `${thrown.name}${placeOf(thrown)}: ${thrown.message}` : inspect(thrown);
    tell(
      new Error(`Something was thrown where nobody catches it, by a module, a task or a timer of theirs: ${what}`, {
        cause: thrown,
      }),
    );
    leave(exitCode.usage);
  });
}
