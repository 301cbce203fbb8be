// Reports of progress, thinned out: a task may report in every turn of a loop, but nobody watches more than some dozens of
// times a second. The first report and, sooner or later, the last one always arrive.
import type { Runtime, Timer } from "../../core/runtime.ts";
import { progress } from "../wire.ts";
import type { RunnerPort } from "./port.ts";
import type { Running } from "./running.ts";

const apartMs = 20;

export class ProgressReports {
  readonly #port: RunnerPort;
  readonly #runtime: Runtime;
  #of: Running | undefined;
  #sentAt = 0;
  #held: { readonly fraction: number; readonly note: string | undefined } | undefined;
  #timer: Timer | undefined;

  constructor(port: RunnerPort, runtime: Runtime) {
    this.#port = port;
    this.#runtime = runtime;
  }

  add(running: Running, fraction: number, note: string | undefined): void {
    const now = this.#runtime.elapsed();
    const waitMs = this.#of === running ? this.#sentAt + apartMs - now : 0;
    this.#of = running;
    this.#held = { fraction, note };
    if (waitMs <= 0) this.send();
    else this.#timer ??= this.#runtime.after(waitMs, () => this.send(), { background: true });
  }

  /** Sends what is held back; called when a task ends. */
  send(): void {
    const { index, slot } = this.#of ?? {};
    if (!this.#held || index === undefined || slot === undefined) return;
    this.#port.report([progress, slot, index, this.#held.fraction, this.#held.note]);
    this.#sentAt = this.#runtime.elapsed();
    this.#held = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** True when something is held back. */
  get isHolding(): boolean {
    return this.#held !== undefined;
  }
}
