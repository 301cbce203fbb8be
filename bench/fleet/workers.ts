// The workers of a row, as the process that measures sees them.
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import type { Contender } from "./contract.ts";
import type { Behaviour, Question, Said, Started } from "./worker.ts";

/** A worker process. It dies with this one: both are in one process group, which the benchmark ends. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #answers: ((answer: number) => void)[] = [];
  #onStart: (started: Started) => void = () => undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (said: Said) => {
      if ("answer" in said) this.#answers.shift()?.(said.answer);
      else this.#onStart(said);
    });
    child.once("exit", (code) => {
      // Nobody would answer any more.
      if (code !== null && code !== 0) process.exit(1);
    });
  }

  /** Starts a process that is connected, and does not work yet. */
  static async start(contender: Contender, behaviour: Behaviour): Promise<WorkerProcess> {
    const child = fork(new URL("worker.ts", import.meta.url), [JSON.stringify({ ...contender, behaviour })]);
    const worker = new WorkerProcess(child);
    await worker.#answer();
    return worker;
  }

  #answer(): Promise<number> {
    return new Promise((resolve) => this.#answers.push(resolve));
  }

  #ask(question: Question): Promise<number> {
    const answer = this.#answer();
    this.#child.send(question);
    return answer;
  }

  /** Resolves when it takes jobs. */
  work(): Promise<number> {
    return this.#ask({ ask: "work" });
  }

  /** Resolves when it has finished its jobs and takes no more. */
  stop(): Promise<number> {
    return this.#ask({ ask: "stop" });
  }

  /** Its share of a core over the next seconds, in percent. */
  cpu(seconds: number): Promise<number> {
    return this.#ask({ ask: "cpu", seconds });
  }

  /** Sets who is told of the jobs that start in it. */
  onStart(listener: (started: Started) => void): void {
    this.#onStart = listener;
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}

/** Numbers of jobs that have started in any of the workers, each counted once, and how often any started. */
export interface Starts {
  readonly seen: ReadonlySet<number>;
  readonly times: number;
}

/** Resolves when `wanted` different jobs have started, having told `at` each time some do. */
export function awaitStarts(
  workers: readonly WorkerProcess[],
  wanted: number,
  at: (seen: number) => void = () => undefined,
): Promise<Starts> {
  const seen = new Set<number>();
  let times = 0;
  return new Promise((resolve) => {
    const hear = ({ starts }: Started): void => {
      for (const n of starts) seen.add(n);
      times += starts.length;
      at(seen.size);
      if (seen.size >= wanted) resolve({ seen, times });
    };
    for (const worker of workers) worker.onStart(hear);
  });
}
