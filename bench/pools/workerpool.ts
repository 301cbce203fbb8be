// workerpool, with threads or processes.
import type { OpenPool } from "./contract.ts";
import { peer, workerFile } from "./contract.ts";

interface Runner {
  exec(method: string, params: readonly unknown[], options?: { readonly transfer: readonly ArrayBuffer[] }): PromiseLike<unknown>;
  terminate(): Promise<unknown>;
}

interface Library {
  readonly default: { pool(file: string, options: Readonly<Record<string, unknown>>): Runner };
}

/** A workerpool of a fixed size. */
export function workerpool(kind: "thread" | "process"): OpenPool {
  return async (task, size) => {
    const { default: library } = await peer<Library>("workerpool");
    const runner = library.pool(workerFile("workerpool-worker.ts"), { minWorkers: size, maxWorkers: size, workerType: kind });
    return {
      run: (input, transfer) => (transfer ? runner.exec(task, [input], { transfer }) : runner.exec(task, [input])),
      close: () => Promise.resolve(runner.terminate()),
    };
  };
}
