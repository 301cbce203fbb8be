// Ctrl-C and SIGTERM: the first asks the command to stop in good order, the second ends the process at once. A runner such as
// npx passes on the signal that the terminal has sent to the whole group already, so a repetition within a moment is the same one.
import type { Runtime } from "../core/runtime.ts";
import { leave } from "./end.ts";
import { signalled } from "./exit-code.ts";

const echoMs = 250;

/** Calls `stop` at the first SIGINT, SIGTERM or SIGHUP. Gives the function that ends the listening. */
export function onStopSignal(runtime: Runtime, stop: (signal: NodeJS.Signals) => void): () => void {
  let firstAt: number | undefined;
  const listener = (signal: NodeJS.Signals): void => {
    if (firstAt === undefined) {
      firstAt = runtime.elapsed();
      stop(signal);
    } else if (runtime.elapsed() - firstAt > echoMs) leave(signalled(signal));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}
