// A place for one worker process: whatever ends there is started again, as a process manager would. A worker that ends by itself,
// other than because it could not begin while the network was broken, is a finding.
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** What a worker in a slot is started with. */
export interface SlotOptions {
  readonly url: string;
  readonly history: string;
  readonly leaseMs: number;
  /** What the command begins with, to run it elsewhere. */
  readonly prefix?: readonly string[];
  /** Told what must not be. */
  readonly finding: (what: string) => void;
}

// Where the system can, it ends a worker when we are killed; one that stands still would not notice by itself.
const untilWeDie = spawnSync("setpriv", ["--pdeathsig", "KILL", "true"]).status === 0 ? ["setpriv", "--pdeathsig", "KILL"] : [];

const program = fileURLToPath(new URL("./program.ts", import.meta.url));
const againMs = 200;
const stopLimitMs = 15_000;

/** Keeps one worker running until closed. */
export class Slot {
  readonly #options: SlotOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  readonly #hasJoined: PromiseWithResolvers<void> = Promise.withResolvers();
  #isReady = false;
  #isClosing = false;
  #isKilled = false;
  #isAskedToEnd = false;
  #errors = "";
  readonly #loop: Promise<void>;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  /** Resolves when its first worker has joined. */
  ready(): Promise<void> {
    return this.#hasJoined.promise;
  }

  /** Ends the worker as a crash would. */
  kill(): void {
    this.#isKilled = true;
    this.#child?.kill("SIGKILL");
  }

  /** Ends the worker in order, as a deployment does; what it cannot finish while its network is broken, others do. */
  end(): void {
    this.#isAskedToEnd = true;
    this.#child?.stdin?.end();
  }

  /** Stops its process from running, and lets it go on. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Ends the worker in order; one that does not end is a finding, and killed. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.resume();
    const wasReady = this.#isReady;
    this.#child?.stdin?.end();
    const late = setTimeout(() => {
      this.#options.finding(`a worker did not stop within ${stopLimitMs} ms${this.#said()}`);
      this.kill();
    }, stopLimitMs);
    if (!wasReady) this.kill();
    await this.#loop;
    clearTimeout(late);
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      this.#start();
      await this.#ended;
      if (!this.#isClosing) await delay(againMs);
    }
  }

  #start(): void {
    const { url, history, leaseMs, prefix = [] } = this.#options;
    const [file, ...args] = [...prefix, ...untilWeDie, process.execPath, program, url, history, String(leaseMs)] as const;
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    this.#isKilled = false;
    this.#isAskedToEnd = false;
    this.#errors = "";
    // A worker that ends closes its pipes while we may be writing.
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", (text) => {
      this.#isReady ||= String(text).includes("ready");
      if (this.#isReady) this.#hasJoined.resolve();
    });
    child.stderr.on("data", (text) => (this.#errors = (this.#errors + String(text)).slice(-2000)));
    this.#ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.#judge(code, signal);
        this.#isReady = false;
        resolve();
      });
    });
  }

  #judge(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#isKilled || (this.#isClosing && code === 0)) return;
    if (this.#isAskedToEnd && code === 0) return;
    if (code === 3 && (this.#isAskedToEnd || !this.#isReady)) return;
    const when = this.#isReady ? "after it had joined" : "before it had joined";
    this.#options.finding(`a worker ended by itself with ${signal ?? `code ${code}`} ${when}${this.#said()}`);
  }

  #said(): string {
    return this.#errors === "" ? "" : `; it said: ${this.#errors.trim()}`;
  }
}
