// What the command line tells its caller when it ends. Scripts rely on these numbers: they are listed in `manyhands --help`.
import { constants } from "node:os";

/** Exit codes of every command. */
export const exitCode = {
  /** Everything asked for was done. */
  done: 0,
  /** Some task failed, or `doctor` found a problem. */
  failed: 1,
  /** Wrong usage, or the command could not do its work (a store that cannot be opened). */
  usage: 2,
  /** Nobody reads the output any more (`| head`): 128 + SIGPIPE, as other commands end. */
  brokenPipe: 141,
} as const;

/** The exit code of a program ended by a signal. */
export function signalled(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}
