// What wants a call to stop: whoever cancels it, its time-out, its deadline, its expiry, or that nobody needs it any more. Each leaves a wish
// with the entry, and the entry's next step, whatever that is, makes the wish come true; so a cancel that crosses an outcome, a death or an
// element taken back needs no case of its own.
import type { Runtime } from "../core/runtime.ts";
import type { FinalState } from "../task/state.ts";
import { cancelled, expired, importTimedOut, overdue, timedOut } from "./endings.ts";
import type { Entry, Stopped, Wish } from "./entry.ts";
import { isSoft } from "./entry.ts";
import type { CancelReceipt } from "./future.ts";
import type { Intake } from "./intake.ts";

/** What wishes need of their engine. */
export interface WishesHost {
  readonly runtime: Runtime;
  readonly intake: Intake;
  end(entry: Entry, state: FinalState, outcome: unknown, how?: Stopped): void;
  /** Its time-out has passed; there may be another attempt. */
  failed(entry: Entry, error: Error): void;
}

/** The wishes of one pool. */
export class Wishes {
  readonly #host: WishesHost;

  constructor(host: WishesHost) {
    this.#host = host;
  }

  /** Stops an entry that has not ended. `told` hears, when it has, how. */
  cancel(entry: Entry, reason: string | Error | undefined, told: (how: Stopped) => void): void {
    if (entry.wish?.kind === "cancel") return void entry.wish.told.push(told);
    const error = reason instanceof Error ? reason : cancelled(entry, this.#host.intake.idOf(entry), reason);
    this.#wish(entry, { kind: "cancel", error, told: [told], grace: entry.wish?.grace });
  }

  /** Stops entries that have not ended; resolves when they have. */
  cancelAll(entries: readonly Entry[], reason: string | Error | undefined): Promise<CancelReceipt> {
    const counts = { waiting: 0, stopped: 0, killed: 0, abandoned: 0 };
    let left = entries.length;
    return new Promise((resolve) => {
      const check = (): void => {
        const { abandoned: requested, ...others } = counts;
        if (left === 0) resolve({ ...others, requested });
      };
      // The last first: what has not begun is taken back before what runs is asked to stop, and so cannot begin meanwhile.
      for (const entry of entries.toReversed()) {
        // One may end in consequence of another.
        if (entry.hasEnded) left -= 1;
        else {
          this.cancel(entry, reason, (how) => {
            counts[how] += 1;
            left -= 1;
            check();
          });
        }
      }
      check();
    });
  }

  /** Ends those of these entries that have not begun, with this error. */
  drop(entries: readonly Entry[], error: Error): void {
    // All wishes before the first step: what comes back from a worker because of one entry is not sent out again.
    const wish: Wish = { kind: "drop", error, told: [], grace: undefined };
    const undecided = entries.filter((entry) => !entry.wish);
    for (const entry of undecided) entry.wish = wish;
    for (const entry of undecided) if (!entry.hasEnded && entry.wish === wish) this.#wish(entry, wish);
  }

  /** An entry has come to be: from now on its expiry and its deadline count. */
  watch(entry: Entry): void {
    const { runtime } = this.#host;
    const { expiresMs, deadlineMs } = entry.definition.policy;
    if (expiresMs === undefined || entry.terms) return;
    entry.extra.expiry = runtime.after(expiresMs, () => this.#expire(entry));
    if (deadlineMs === undefined) return;
    const timer = runtime.after(deadlineMs, () => this.#overrun(entry));
    entry.extra.deadline = { at: runtime.elapsed() + deadlineMs, timer };
  }

  /** An entry has run, or its module has been imported, for as long as it may; its lane is about to stop it. */
  timeOut(entry: Entry, limitMs: number, isImporting: boolean): void {
    const error = isImporting ? importTimedOut(entry, limitMs) : timedOut(entry, this.#host.intake.idOf(entry), limitMs);
    entry.wish = { kind: "timeout", error, told: [], grace: undefined };
  }

  /** Makes a wish come true: ends the entry, or, after a time-out, has it fail. */
  fulfil(entry: Entry, wish: Wish, how: Stopped): void {
    const host = this.#host;
    if (wish.kind === "cancel" || wish.kind === "drop") return host.end(entry, "cancelled", wish.error, how);
    if (wish.kind === "expire") return host.end(entry, "expired", wish.error);
    wish.grace?.cancel();
    entry.wish = undefined;
    if (wish.kind === "timeout") return host.failed(entry, wish.error);
    // What never began has expired.
    if (how === "waiting" && entry.attempt === 1) host.end(entry, "expired", expired(entry, host.intake.idOf(entry)));
    else host.end(entry, "failed", wish.error);
  }

  #wish(entry: Entry, wish: Wish): void {
    if (entry.carrier?.state === "running" && isSoft(wish)) return void (entry.wish = undefined);
    entry.wish = wish;
    if (entry.batch) return entry.batch.lane.stop(entry);
    this.fulfil(entry, wish, "waiting");
  }

  /** The deadline has come. */
  #overrun(entry: Entry): void {
    if (entry.wish?.kind === "cancel" || entry.wish?.kind === "drop") return;
    const error = overdue(entry, this.#host.intake.idOf(entry), undefined);
    this.#wish(entry, { kind: "deadline", error, told: [], grace: entry.wish?.grace });
  }

  #expire(entry: Entry): void {
    if (entry.attempt > 1 || entry.wish || entry.carrier?.state === "running") return;
    const error = expired(entry, this.#host.intake.idOf(entry));
    this.#wish(entry, { kind: "expire", error, told: [], grace: undefined });
  }
}
