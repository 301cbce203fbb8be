// manyhands' pools.
import { manyhands as face, pools } from "../manyhands.ts";
import { tasks } from "../tasks.ts";
import type { OpenPool } from "./contract.ts";

/** A ThreadPool or a ProcessPool of a fixed size, all else by default. */
export function manyhands(kind: "thread" | "process"): OpenPool {
  return (name, size) => {
    const pool = kind === "thread" ? new pools.ThreadPool({ size }) : new pools.ProcessPool({ size });
    const task = tasks[name];
    return Promise.resolve({
      run: (input, transfer) => pool.submit(task, transfer ? face.transfer(input as never) : (input as never)),
      stream: (inputs) => pool.map(task, inputs as Iterable<never>),
      all: (inputs) => pool.map(task, inputs as Iterable<never>),
      close: () => pool.close(),
    });
  };
}
