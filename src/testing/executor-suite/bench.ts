// What every case of the executor suite starts with: a folder of its own, and executors that are closed when the case ends.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duration } from "../../core/durations.ts";
import { sleep, systemRuntime } from "../../core/runtime.ts";
import type { Executor } from "../../pool/executor.ts";

/** What a case needs of its executor. */
export interface ExecutorWish {
  /** How many tasks run at a time. */
  readonly size: number;
  /** How long a task that was asked to stop may go on. */
  readonly grace: Duration;
}

/** One guarantee of the contract: its sentence, and how it is tried. */
export type Case = readonly [sentence: string, run: (bench: Bench) => Promise<void>];

/** The error with which work fails, whether the submit throws it or the promise rejects with it. */
export async function failureOf(run: () => PromiseLike<unknown>): Promise<unknown> {
  let result: unknown;
  try {
    result = await run();
  } catch (error) {
    return error;
  }
  throw new Error(`It was to fail, and gave ${String(result)}.`);
}

/** What most cases get: two tasks at a time, and little patience. */
const usual: ExecutorWish = { size: 2, grace: "150ms" };

type Make = (wish: ExecutorWish) => Executor | Promise<Executor>;

/** The executor that the cases of a suite share, because starting one may take a while; made for the first that wants it. */
export class SharedExecutor {
  readonly #make: Make;
  #executor: Promise<Executor> | undefined;

  constructor(make: Make) {
    this.#make = make;
  }

  get(): Promise<Executor> {
    this.#executor ??= Promise.resolve(this.#make(usual));
    return this.#executor;
  }

  async close(): Promise<void> {
    await (await this.#executor)?.close();
  }
}

export class Bench {
  readonly #make: Make;
  readonly #shared: SharedExecutor;
  readonly #folder: string = mkdtempSync(join(tmpdir(), "manyhands-suite-"));
  readonly #own: Executor[] = [];
  #files = 0;

  constructor(make: Make, shared: SharedExecutor) {
    this.#make = make;
    this.#shared = shared;
  }

  /** An executor that runs two tasks at a time. Other cases use it, too. */
  executor(): Promise<Executor> {
    return this.#shared.get();
  }

  /** An executor of the case's own, closed when it ends. */
  async own(wish: Partial<ExecutorWish> = {}): Promise<Executor> {
    const executor = await this.#make({ ...usual, ...wish });
    this.#own.push(executor);
    return executor;
  }

  /** The path of a file that does not exist. */
  file(): string {
    return join(this.#folder, `file-${this.#files++}`);
  }

  lines(file: string): string[] {
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  }

  /** Writes the line that a task waits for. */
  release(file: string): void {
    writeFileSync(file, "go\n");
  }

  /** Waits until `condition` holds. */
  async until(what: string, condition: () => boolean, ms: number = 20_000): Promise<void> {
    const deadline = systemRuntime.elapsed() + ms;
    while (!condition()) {
      if (systemRuntime.elapsed() > deadline) throw new Error(`Waited ${ms} ms in vain until ${what}.`);
      await sleep(systemRuntime, 2);
    }
  }

  /** Waits until a file has so many lines. */
  async untilLines(file: string, count: number): Promise<void> {
    await this.until(`${count} lines are in a file`, () => this.lines(file).length >= count);
  }

  async close(): Promise<void> {
    await Promise.all(this.#own.map((executor) => executor.close()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
