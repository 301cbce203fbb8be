// poolifier's fixed pools. Its worker is a file of its own that registers the functions by name.
import type { OpenPool } from "./contract.ts";
import { peer, workerFile } from "./contract.ts";

interface Runner {
  execute(input: unknown, name: string, signal?: AbortSignal, transferList?: readonly ArrayBuffer[]): Promise<unknown>;
  destroy(): Promise<void>;
}

type Constructor = new (size: number, file: string, options: Readonly<Record<string, unknown>>) => Runner;

/** A fixed poolifier pool of threads, or of `cluster` processes. */
export function poolifier(kind: "thread" | "process", options: Readonly<Record<string, unknown>> = {}): OpenPool {
  return async (task, size) => {
    const library = await peer<{ FixedThreadPool: Constructor; FixedClusterPool: Constructor }>("poolifier");
    const file = workerFile(kind === "thread" ? "poolifier-thread.ts" : "poolifier-process.ts");
    const runner = new (kind === "thread" ? library.FixedThreadPool : library.FixedClusterPool)(size, file, options);
    return {
      run: (input, transfer) => (transfer ? runner.execute(input, task, undefined, transfer) : runner.execute(input, task)),
      // On a busy machine its destroy() now and then never settles. The measurement is over by then.
      close: () => Promise.race([runner.destroy(), new Promise((resolve) => setTimeout(resolve, 1000))]),
    };
  };
}
