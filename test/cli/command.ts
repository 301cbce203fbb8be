// Starting the real command line in a folder of its own, with a real module of tasks beside it.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { TestContext } from "node:test";
import { folder, until } from "../fixtures/support.ts";

// Node keeps what it has compiled here, which makes every start but the first three times as fast.
const compiled = mkdtempSync(join(tmpdir(), "manyhands-test-compiled-"));
after(() => rmSync(compiled, { recursive: true, force: true }));

/** The command line's entry. */
export const main = join(import.meta.dirname, "../../src/cli/main.ts");
const library = new URL("../../src/index.ts", import.meta.url).href;

const tasks = `
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { context, task } from ${JSON.stringify(library)};

console.log("the module of tasks prints this when it is imported");

export const upper = task("upper", (text: string) => text.toUpperCase());
export const count = task("count", (path: string) => readFileSync(path, "utf8").trim().split(/\\s+/).length);
export const add = task("add", (a: number, b: number) => a + b);
export const echo = task("echo", (value: unknown) => value);
export const picky = task("picky", (text: string) => {
  console.log("the task prints this");
  if (text.startsWith("bad")) throw new RangeError(\`\${text} is not good\`);
  return text.length;
});
export const quiet = task("quiet", (_text: string) => {});
/** Leaves a mark for each run; a text that begins with "hold" then waits until the file "release" is there. */
export const mark = task("mark", async (text: string) => {
  appendFileSync("ran", text + "\\n");
  while (text.startsWith("hold") && !existsSync("release")) await delay(5, undefined, { signal: context().signal });
  return text;
});
/** Fails until the file "repaired" is there. */
export const repairable = task("repairable", (text: string) => {
  appendFileSync("ran", text + "\\n");
  if (text === "broken" && !existsSync("repaired")) throw new Error("still broken");
  return text;
}, { input: { "~standard": { version: 1, vendor: "test", validate } } });
function validate(text: unknown) {
  if (typeof text !== "string" || !text.startsWith("!")) return { value: typeof text === "string" ? text.trim() : text };
  return { issues: [{ message: "it begins with !" }] };
}
export const flaky = task("flaky", (from: number) => {
  if (context().attempt < from) throw new Error("too early");
  return context().attempt;
}, { backoff: { initial: 1 } });
export const forever = task("forever", () => new Promise(() => {}));
export const rightName = task("right-name", () => 1);
`;

/** How a command ended. */
export interface Ran {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

/** A command that runs. Killed when the test ends, if it still does. */
export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  out = "";
  err = "";

  constructor(t: TestContext, cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const inherited = { ...process.env, NO_COLOR: "1", NODE_COMPILE_CACHE: compiled, MANYHANDS_URL: undefined, ...env };
    this.child = spawn(process.execPath, [main, ...args], { cwd, env: inherited, stdio: "pipe" });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.out += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.err += text));
    this.child.stdin?.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => resolve({ code: signal ?? code ?? -1, out: this.out, err: this.err }));
    });
    t.after(() => {
      if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    });
  }

  /** Waits until it has written this text. */
  async says(text: string): Promise<void> {
    const ended = (): boolean => this.child.exitCode !== null || this.child.signalCode !== null;
    const said = (): boolean => this.out.includes(text) || this.err.includes(text);
    await until(`the command says ${JSON.stringify(text)}`, () => said() || ended(), 30_000);
    if (!said()) await this.ended;
    if (!said()) throw new Error(`The command ended without saying ${JSON.stringify(text)}: ${this.out}${this.err}`);
  }

  /** Sends the signal again and again until the command has ended. */
  async insist(signal: NodeJS.Signals): Promise<Ran> {
    await until(`the command ends at repeated ${signal}`, () => {
      this.child.kill(signal);
      return this.child.exitCode !== null || this.child.signalCode !== null;
    });
    return this.ended;
  }
}

/** A folder with `tasks.ts`, in which commands are run. */
export class Place {
  readonly path: string;
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
    this.path = folder(t);
    this.write("tasks.ts", tasks);
    this.write("package.json", '{ "type": "module" }');
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.path, name), text);
  }

  /** The lines of a file, none when it is not there. */
  lines(name: string): string[] {
    const file = join(this.path, name);
    return existsSync(file) ? linesOf(readFileSync(file, "utf8")) : [];
  }

  start(...args: string[]): Command {
    return new Command(this.#t, this.path, args);
  }

  startWith(env: NodeJS.ProcessEnv, ...args: string[]): Command {
    return new Command(this.#t, this.path, args, env);
  }

  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ran> {
    const command = this.start(...args);
    command.child.stdin?.end();
    return command.ended;
  }

  /** Runs a command to its end, with this on its standard input. */
  feed(input: string, ...args: string[]): Promise<Ran> {
    const command = this.start(...args);
    command.child.stdin?.end(input);
    return command.ended;
  }
}

export function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** JSON lines, read. */
export function json(text: string): Record<string, unknown>[] {
  return linesOf(text).map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** An error as commands print it. */
export interface ErrorLine {
  readonly name: string;
  readonly message: string;
}

/** The `error` of a JSON line. */
export function errorOf(line: Record<string, unknown> | undefined): ErrorLine {
  return line?.["error"] as ErrorLine;
}

/** The `result` of each JSON line. */
export function results(text: string): unknown[] {
  return json(text).map(({ result }) => result);
}
