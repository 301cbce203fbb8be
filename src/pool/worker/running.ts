// The context of one running element: what `context()` gives inside a task. It is made for every element, so it holds as
// little as it can; the AbortController is made when the signal is first read, which most tasks never do.
import type { Context } from "../../task/context.ts";
import { checkFraction } from "../../task/context.ts";
import { tickOf } from "../../task/scheduled.ts";
import type { GiveMessage } from "../wire.ts";
import { at } from "../wire.ts";

/** What a running element needs from its runner. */
export interface Host {
  /** What ids that are numbers begin with. */
  readonly idPrefix: string;
  log(running: Running, message: string): void;
  progress(running: Running, fraction: number, note: string | undefined): void;
}

export class Running implements Context {
  readonly task: string;
  readonly index: number;
  readonly #host: Host;
  readonly #batch: GiveMessage;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  constructor(host: Host, batch: GiveMessage, index: number, task: string) {
    this.#host = host;
    this.#batch = batch;
    this.index = index;
    this.task = task;
  }

  get slot(): number {
    return this.#batch[1];
  }

  isOf(batch: GiveMessage | undefined): boolean {
    return this.#batch === batch;
  }

  get id(): string {
    const ids = this.#batch[7];
    const id = typeof ids === "number" ? ids + this.index : ids[this.index];
    return typeof id === "string" ? id : this.#host.idPrefix + String(id);
  }

  get attempt(): number {
    return at(this.#batch[8], this.index);
  }

  get scheduledFor(): Date | undefined {
    return tickOf(this.id);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted && !this.#controller.signal.aborted) this.#controller.abort(this.#aborted.reason);
    return this.#controller.signal;
  }

  // What a task takes out of its context must work by itself. The functions are made when they are asked for, as most never are.

  get log(): Context["log"] {
    return (message) => this.#host.log(this, String(message));
  }

  get progress(): Context["progress"] {
    return (fraction, note) => this.#report(fraction, note);
  }

  #report(fraction: number, note: string | undefined): void {
    checkFraction(fraction);
    this.#host.progress(this, fraction, note === undefined ? undefined : String(note));
  }

  /** Aborts the signal; only the first reason counts. */
  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#controller?.abort(this.#aborted.reason);
  }
}
