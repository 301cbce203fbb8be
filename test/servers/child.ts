// A server as a child process of the tests: a folder and a port of its own, started when it says it is ready, ended with us.
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How a server's process is started. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** What it prints when it takes connections. */
  readonly ready: RegExp;
  /** Run as this user, which only root can ask for. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Ends it in order. */
  readonly stopSignal: NodeJS.Signals;
}

const startLimitMs = 30_000;

/** A port on which nothing listens now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

/** A new folder for a server's files. */
export function serverFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `manyhands-${name}-`));
}

export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5 });
}

// Where the system can, it ends the server when we are killed.
const hasDeathSignal = spawnSync("setpriv", ["--pdeathsig", "KILL", "true"]).status === 0;

function launch({ file, args, user }: Command): ChildProcess {
  const stdio = ["ignore", "pipe", "pipe"] as const;
  if (!hasDeathSignal) return spawn(file, args, { stdio: [...stdio], ...user });
  const as = user ? ["--reuid", String(user.uid), "--regid", String(user.gid), "--clear-groups"] : [];
  return spawn("setpriv", [...as, "--pdeathsig", "KILL", file, ...args], { stdio: [...stdio] });
}

/** A running server. */
export class ServerProcess {
  readonly #command: Command;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(command: Command) {
    this.#command = command;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error("the server does not run");
    return this.#child.pid;
  }

  /** Resolves when it takes connections; rejects with what it printed when it ended instead. */
  start(): Promise<void> {
    const child = launch(this.#command);
    this.#child = child;
    let printed = "";
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(
      () => reject(new Error(`The server was not ready in ${startLimitMs} ms. It printed:\n${printed}`)),
      startLimitMs,
    );
    const hear = (data: Buffer): void => {
      printed = (printed + String(data)).slice(-20_000);
      if (this.#command.ready.test(printed)) resolve();
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    this.#ended = new Promise((ended) => {
      child.once("error", (error) => {
        reject(error);
        ended();
      });
      child.once("exit", () => {
        reject(new Error(`${this.#command.file} ended before it was ready. It printed:\n${printed}`));
        ended();
      });
    });
    return promise.finally(() => clearTimeout(late));
  }

  /** Ends it in order, or at once, and waits for its end. */
  async stop(signal: NodeJS.Signals = this.#command.stopSignal): Promise<void> {
    this.#child?.kill(signal);
    await this.#ended;
    this.#child = undefined;
  }

  /** Stops its main process from running (SIGSTOP), and lets it go on. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }
}
