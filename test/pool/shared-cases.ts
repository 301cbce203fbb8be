// Cases that hold for threads and for processes: both import their tasks, and both must not keep a program alive or restart for ever.
import assert from "node:assert/strict";
import { test } from "node:test";
import { task, UsageError, WorkerDiedError } from "../../src/index.ts";
import type { Runtime } from "../../src/core/runtime.ts";
import type { ProcessPool, ThreadPool } from "../../src/pool/index.ts";
import { folder, Program, until } from "../fixtures/support.ts";
import { broken, others } from "./programs/broken-module.ts";
import { thenable } from "./programs/thenable-module.ts";
import { double, environment, leaveTrouble, nested } from "./tasks.ts";

type Kind = "thread" | "process";
interface Options {
  readonly size?: number;
  readonly grace?: number;
  readonly env?: Record<string, string | undefined>;
  readonly runtime?: Runtime;
}
type Make = (options: Options) => ThreadPool | ProcessPool;

const program = (name: string): string => new URL(`programs/${name}.ts`, import.meta.url).pathname;

/** Declares the cases for one kind of pool. */
export function workerCases(kind: Kind, make: Make): void {
  for (const how of ["awaited", "map", "unawaited", "later", "caught"]) {
    test(`a program that starts itself again in its ${kind}s fails with a clear error (${how})`, async (t) => {
      const run = new Program(t, program("unguarded"), [], { HOW: how, POOL: kind });
      assert.notEqual(await run.exited, 0);
      assert.match(run.errors, /UsageError.*was called in a worker, outside a running task.*import\.meta\.main/s);
      assert.equal(run.output, "");
    });
  }

  test(`a program that forgets to close its pool of ${kind}s ends all the same`, async (t) => {
    const run = new Program(t, program("idle"), [], { POOL: kind });
    assert.equal(await run.exited, 0);
    assert.equal(run.output, "2 4 6\n");
  });

  test(`a module that throws in its ${kind} fails the call with its error`, async () => {
    await using pool = make({ size: 1, env: { BROKEN: "throws", BROKEN_IN: kind } });
    await assert.rejects(pool.submit(broken, 1), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(
        error.message,
        /Task "broken\.task" cannot be loaded: importing .*broken-module\.ts failed: this module is broken/,
      );
      return true;
    });
    assert.equal(await pool.submit(double, 2), 4);
  });

  test(`a module that exports a function named "then" is imported in a ${kind}`, async () => {
    await using pool = make({ size: 1 });
    assert.equal(await pool.submit(thenable, 20), 21);
  });

  test(`a module that ends its ${kind} fails every call of its tasks, without end of restarts`, async () => {
    await using pool = make({ size: 2, env: { BROKEN: "exits", BROKEN_IN: kind } });
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => pool.submit(broken, i)));
    for (const outcome of outcomes) {
      assert.ok(outcome.status === "rejected" && outcome.reason instanceof WorkerDiedError);
      assert.match(outcome.reason.message, /imported .*broken-module\.ts died: it exited with code 9/);
    }
    assert.equal(await pool.submit(double, 2), 4);
    await assert.rejects(async () => pool.map(broken, [1, 2, 3]), WorkerDiedError);
  });

  test(`a task that its module does not define in a ${kind} is told`, async () => {
    await using pool = make({ size: 1, env: { BROKEN_IN: kind } });
    assert.ok(others);
    await assert.rejects(
      pool.submit(others, 1),
      /Task "broken\.hidden" is not defined by .*broken-module\.ts when it is imported/,
    );
  });

  for (const [what, ...args] of [
    ["module", "--input-type=module", "-e"],
    ["module, in two words", "--input-type", "module", "--eval"],
    ["module with types", "--input-type=module-typescript", "-e"],
    ["script", "-e"],
  ] as const) {
    test(`a program given as text (${what}) may have ${kind}s`, async (t) => {
      const text = `
        import(${JSON.stringify(new URL("../../src/pool/index.ts", import.meta.url).href)}).then(async (pools) => {
          const { double } = await import(${JSON.stringify(new URL("tasks.ts", import.meta.url).href)});
          const pool = new pools.${kind === "thread" ? "ThreadPool" : "ProcessPool"}({ size: 1 });
          console.log(await pool.submit(double, 4));
        });`;
      const [first, ...others] = [...args, text];
      const run = new Program(t, first, others);
      assert.equal(await run.exited, 0, run.errors);
      assert.equal(run.output, "8\n");
    });
  }

  test(`a task that no ${kind} could import is refused at once`, async () => {
    const made = task("shared.nowhere", (n: number) => n, { module: "node:nowhere" });
    await using pool = make({ size: 1 });
    assert.throws(() => pool.submit(made, 1), UsageError);
    assert.throws(() => pool.map(made, [1]), UsageError);
  });

  test(`a task in a ${kind} may use a pool of its own`, async () => {
    await using pool = make({ size: 1 });
    assert.equal(await pool.submit(nested, 3), 14);
  });

  test(`${kind}s get environment variables`, async () => {
    await using pool = make({ size: 1, env: { ADDED: "yes", HOME: undefined } });
    assert.equal(await pool.submit(environment, "ADDED"), "yes");
    assert.equal(await pool.submit(environment, "HOME"), undefined);
    assert.equal(await pool.submit(environment, "PATH"), process.env["PATH"]);
  });

  test(`a ${kind} that dies between tasks is replaced, with a warning`, async () => {
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    await using pool = make({ size: 1 });
    await pool.submit(leaveTrouble);
    assert.match((await warned).message, new RegExp(`A ${kind} of a pool died between tasks .*left behind`, "s"));
    assert.equal(await pool.submit(double, 5), 10);
  });

  test(`a pool of ${kind}s takes only options that make sense`, () => {
    assert.throws(() => make({ sizes: 2 } as object), /has no option "sizes"\. Did you mean "size"\?/);
    for (const size of [0, -1, 1.5, "two", null]) assert.throws(() => make({ size } as unknown as object), UsageError);
    assert.throws(() => make({ env: "PATH" } as object), /env must be an object of environment variables, found "PATH"/);
    assert.throws(() => make({ name: 3 } as object), /name must be a text, found 3/);
  });
}

/** The ids of processes that a task has written to a file, as many as are awaited. */
export async function pidsIn(lines: () => string[], count: number): Promise<number[]> {
  await until(`${count} processes have said their ids`, () => lines().length >= count);
  return lines().map(Number);
}

/** True while a process exists and has not ended. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export { folder, Program, until };
