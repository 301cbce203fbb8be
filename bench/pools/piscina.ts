// Piscina and tinypool: one is a fork of the other, so they share a face.
import type { OpenPool, Pool } from "./contract.ts";
import { peer, workerFile } from "./contract.ts";

interface Runner {
  run(input: unknown, options?: { readonly transferList: readonly ArrayBuffer[] }): Promise<unknown>;
  destroy(): Promise<void>;
}

type Constructor = new (options: Readonly<Record<string, unknown>>) => Runner;

function face(runner: Runner): Pool {
  return {
    run: (input, transfer) => (transfer ? runner.run(input, { transferList: transfer }) : runner.run(input)),
    close: () => runner.destroy(),
  };
}

/** A Piscina of a fixed size with these further options. */
export function piscina(options: Readonly<Record<string, unknown>> = {}): OpenPool {
  return async (task, size) => {
    const { Piscina } = await peer<{ Piscina: Constructor }>("piscina");
    return face(
      new Piscina({ filename: workerFile("functions.ts"), name: task, minThreads: size, maxThreads: size, ...options }),
    );
  };
}

/** A tinypool of a fixed size with these further options. */
export function tinypool(options: Readonly<Record<string, unknown>> = {}): OpenPool {
  return async (task, size) => {
    const { Tinypool } = await peer<{ Tinypool: Constructor }>("tinypool");
    return face(
      new Tinypool({ filename: workerFile("functions.ts"), name: task, minThreads: size, maxThreads: size, ...options }),
    );
  };
}
