// Waking up other programs. A commit that changed something for others carries the notification itself, so that it is heard at
// once; but the server takes notifying commits one after another, so a program notifies ten times at once and then once in 5 ms. What
// happened in between is told by the next commit, or by a statement of its own when there is none.
import type { Runtime, Timer } from "../../core/runtime.ts";
import { everyBit } from "./functions/codes.ts";

const quietMs = 5;
const atOnce = 10;

/** What a commit is to notify of. */
export interface Ring {
  /** What it may tell others if it happens. */
  readonly may: number;
  /** What it must tell them, since it happened before. */
  readonly must: number;
}

/** How a bell is made. */
export interface BellOptions {
  readonly runtime: Runtime;
  readonly channel: string;
  /** Tells listeners in this program. */
  readonly tell: (bits: number) => void;
  /** Notifies the others, with a statement of its own. */
  readonly notify: (payload: string) => void;
}

/** Tells others what this program changed. */
export class Bell {
  readonly channel: string;
  /** Names this program, so that it does not hear itself. */
  readonly origin: string;
  readonly #options: BellOptions;
  #owed = 0;
  #isClosing = false;
  /** How often it may notify at once; one comes back every 5 ms. */
  #credit = atOnce;
  #creditAt = 0;
  #timer: Timer | undefined;

  constructor(options: BellOptions) {
    this.#options = options;
    this.channel = options.channel;
    this.origin = `${options.runtime.id()} `;
  }

  /** For a commit that is about to be made. */
  ring(): Ring {
    const elapsed = this.#options.runtime.elapsed();
    this.#credit = Math.min(atOnce, this.#credit + (elapsed - this.#creditAt) / quietMs);
    this.#creditAt = elapsed;
    return this.#isClosing || this.#credit >= 1 ? { may: everyBit, must: this.#owed } : { may: 0, must: 0 };
  }

  /** What a commit should carry that is known to do this; null for nothing. */
  payload(happened: number): { readonly told: number; readonly text: string | null } {
    const { may, must } = this.ring();
    const told = must | (may & happened);
    return { told, text: told === 0 ? null : this.origin + String(told) };
  }

  /** A commit was made: this happened in it, and that it has told others. */
  rang(happened: number, told: number): void {
    if (told !== 0) this.#credit -= 1;
    this.#owed = (this.#owed & ~told) | (happened & ~told);
    if (happened !== 0) this.#options.tell(happened);
    if (this.#owed !== 0) this.#timer ??= this.#options.runtime.after(quietMs, () => this.#ringOwed(), { background: true });
  }

  /** What a notification says, unless it is one of ours. */
  heard(payload: string): number {
    return payload.startsWith(this.origin) ? 0 : Number(payload.slice(payload.lastIndexOf(" ") + 1));
  }

  /** From now on every commit tells at once: there may be no later one. */
  close(): void {
    this.#isClosing = true;
    this.#timer?.cancel();
    if (this.#owed !== 0) this.#ringOwed();
  }

  #ringOwed(): void {
    this.#timer = undefined;
    if (this.#owed === 0) return;
    const owed = this.#owed;
    this.#owed = 0;
    this.#credit -= 1;
    this.#options.notify(this.origin + String(owed));
  }
}
