// Everything the command line writes. Results and listings go to standard output; notes, warnings and the status line go to
// standard error. Lines of one turn of the event loop are written together. Invariant: the status line (a progress bar) is the
// last line of the terminal; whatever else is written takes it away first and puts it back after.
// While a command runs, `process.stdout` is standard error: what a task module prints must never mix with results.
import type { WriteStream } from "node:tty";
import { isatty } from "node:tty";
import { inspect, styleText } from "node:util";
import type { Runtime } from "../core/runtime.ts";
import { errorJson } from "./json.ts";
import { oneLine } from "./table.ts";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

const gatherChars = 64 * 1024;

/** Standard output and standard error of one command. */
export class Output {
  /** `--json`: everything is JSON, one value a line. */
  readonly json: boolean;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
  /** Standard error is a terminal that can show a status line. */
  readonly canShowStatus: boolean;
  readonly #stdout: WriteStream;
  readonly #stderr: WriteStream;
  readonly #runtime: Runtime;
  #gathered = "";
  #writing: Promise<void> | undefined;
  #flushDeferred = false;
  #status = "";
  #broken = false;
  #whenBroken: () => void = () => undefined;
  #failure: Error | undefined;

  constructor(runtime: Runtime, json: boolean) {
    this.#runtime = runtime;
    this.json = json;
    this.#stdout = process.stdout;
    this.#stderr = process.stderr;
    this.terminal = isatty(1);
    this.canShowStatus = isatty(2) && process.env["TERM"] !== "dumb";
    Object.defineProperty(process, "stdout", { configurable: true, get: () => process.stderr });
    this.#stdout.on("error", (error: NodeJS.ErrnoException) => this.#lost(error));
    // Nobody is left to tell that standard error is gone.
    this.#stderr.on("error", () => undefined);
  }

  /** Nobody reads standard output any more. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Why standard output could not be written (a full disk), unless it was only that its reader went away. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Columns of the terminal, or 80. */
  get columns(): number {
    return (this.terminal ? this.#stdout.columns : this.#stderr.columns) || 80;
  }

  /** Calls `listener`, once, when nobody reads standard output any more. */
  onBroken(listener: () => void): void {
    this.#whenBroken = listener;
    if (this.#broken) listener();
  }

  /** Writes a line to standard output, soon. */
  line(text: string): void {
    if (this.#broken) return;
    this.#gathered += `${text}\n`;
    if (this.#gathered.length >= gatherChars) return this.#flush();
    if (this.#flushDeferred) return;
    this.#flushDeferred = true;
    this.#runtime.defer(() => {
      this.#flushDeferred = false;
      this.#flush();
    });
  }

  /** Something for people to know, on standard error; with `--json` as `{"note": ...}`. */
  note(text: string): void {
    this.#tell(this.json ? JSON.stringify({ note: text }) : text);
  }

  /** Something that is wrong but does not end the command; with `--json` as `{"warning": ...}`. */
  warn(text: string): void {
    this.#tell(this.json ? JSON.stringify({ warning: text }) : `manyhands: ${text}`);
  }

  /** Why the command ends without having done its work, in one line; with `--json` as `{"error": {name, message, code}}`. */
  error(thrown: unknown): void {
    const facts = errorJson(thrown);
    this.#tell(
      this.json ? JSON.stringify({ error: facts }) : `${this.paint("red", "manyhands:", "stderr")} ${oneLine(facts.message)}`,
    );
    if (process.env["MANYHANDS_DEBUG"] && thrown instanceof Error) this.#tell(inspect(thrown));
  }

  /** Shows a line at the bottom of the terminal in place of the one before; "" takes it away. */
  status(text: string): void {
    if (!this.canShowStatus || text === this.#status) return;
    this.#stderr.write(`\r\u001b[K${text}`);
    this.#status = text;
  }

  /** The text in a colour, where the stream is a terminal and NO_COLOR is not set. */
  paint(style: Style, text: string, stream: "stdout" | "stderr" = "stdout"): string {
    return styleText(style, text, { stream: stream === "stdout" ? this.#stdout : this.#stderr });
  }

  /** Resolves when standard output has taken what was written so far; undefined when there is nothing to wait for. */
  drained(): Promise<void> | undefined {
    return this.#writing;
  }

  /** Writes what is left and resolves when it is written, or can never be. */
  async flush(): Promise<void> {
    this.#flush();
    await this.#writing;
    await new Promise<void>((resolve) => this.#stderr.write("", () => resolve()));
  }

  #tell(text: string): void {
    // What was said first is read first, also where both streams are one terminal.
    this.#flush();
    const status = this.#status;
    this.#stderr.write(status === "" ? `${text}\n` : `\r\u001b[K${text}\n${status}`);
  }

  #flush(): void {
    const text = this.#gathered;
    if (text === "" || this.#broken) return;
    this.#gathered = "";
    const status = this.#status;
    if (status !== "" && this.terminal) this.status("");
    const written = new Promise<void>((resolve) => this.#stdout.write(text, () => resolve()));
    const writing = Promise.all([this.#writing, written]).then(() => {
      if (this.#writing === writing) this.#writing = undefined;
    });
    this.#writing = writing;
    if (status !== "" && this.terminal) this.status(status);
  }

  #lost(error: NodeJS.ErrnoException): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#gathered = "";
    if (error.code !== "EPIPE") this.#failure = error;
    this.#whenBroken();
  }
}
