// Undoing what an attempt's steps did, the last first, when no attempt follows it. An attempt may be here for nothing else: an earlier one
// had begun to undo, or could not, or the job was cancelled. Such an attempt goes back: it is stopped when it has met what is to be undone,
// or does anything new.
import { UndoError } from "../../core/errors.ts";
import { stepOf, stepRecord, undoingRecord, undoPrefix, undoRecord } from "../job-records.ts";
import { decodeThrown, encodeThrown } from "../thrown.ts";
import type { Change, DurableHost } from "./host.ts";
import type { Records } from "./records.ts";

interface Back {
  readonly error: unknown;
  /** The steps to undo that have not been met yet. */
  readonly unmet: Set<string>;
  isStopped: boolean;
}

/** How an attempt ended with an error; `isLast`: no attempt may follow. */
export interface Failed {
  readonly error: unknown;
  readonly isLast: boolean;
}

type UndoFailure = { readonly step: string; readonly error: unknown };

/** What one attempt has to undo. */
export class Undoing {
  readonly #host: DurableHost;
  readonly #records: Records;
  readonly #stopped: (error: unknown) => void;
  readonly #undos: { readonly name: string; readonly run: () => unknown }[] = [];
  #back: Back | undefined;

  /** `stopped`: the attempt has nothing more to do but to undo, for this error. */
  constructor(host: DurableHost, records: Records, stopped: (error: unknown) => void) {
    this.#host = host;
    this.#records = records;
    this.#stopped = stopped;
  }

  /** Why the attempt is here to undo, if it is. */
  get back(): { readonly error: unknown } | undefined {
    return this.#back;
  }

  /** The attempt is here to undo, for this error, encoded. */
  async goBack(why: string): Promise<void> {
    const undos = await this.#host.read(undoPrefix);
    const unmet = new Set(undos.map(({ name }) => stepOf(name, undoPrefix)));
    this.#back = { error: decodeThrown(why), unmet, isStopped: false };
    if (unmet.size === 0) this.stop();
  }

  /** A step was met; `run` undoes it, if it can be undone. */
  met(name: string, run: (() => unknown) | undefined): void {
    if (run) this.#undos.push({ name, run });
    if (this.#back?.unmet.delete(name) && this.#back.unmet.size === 0) this.stop();
  }

  /** Something new is about to begin: an attempt that is here to undo is stopped. */
  stop(): void {
    if (!this.#back || this.#back.isStopped) return;
    this.#back.isStopped = true;
    this.#stopped(this.#back.error);
  }

  /**
   * The attempt has ended with this error: undoes its steps when it is the last. Gives the error to report, an UndoError when a step could
   * not be undone.
   */
  async fail(error: unknown): Promise<Failed> {
    const isLast = this.#back !== undefined || (this.#undos.length > 0 && (await this.#host.isLast(error)));
    // With steps that were not met the job runs once more, so that all are undone in their order.
    if (!isLast || (!this.#back && (await this.#hasUnmet()))) return { error, isLast };
    this.#host.undoing();
    // Whoever takes over after a crash must not go forward any more.
    await this.#records.write([[undoingRecord, encodeThrown(error)]]);
    const failed = await this.#undo();
    // While it is there, nobody runs the job once more for what was not met.
    const isAllMet = !this.#back || this.#back.unmet.size === 0;
    if (isAllMet) await this.#records.write([[undoingRecord, null]]);
    return { error: failed.length === 0 ? error : new UndoError(failed, error), isLast };
  }

  /** True when an earlier attempt has left a step to undo that this one has not come to. */
  async #hasUnmet(): Promise<boolean> {
    if (await this.#records.areMet()) return false;
    const known = new Set(this.#undos.map(({ name }) => undoRecord(name)));
    return (await this.#host.read(undoPrefix)).some(({ name }) => !known.has(name));
  }

  async #undo(): Promise<readonly UndoFailure[]> {
    const failed: UndoFailure[] = [];
    for (const { name, run } of this.#undos.toReversed()) {
      // A step that could not be undone is told of, once; it stays recorded.
      const undone: Change[] = [[undoRecord(name), null]];
      try {
        await run();
        undone.push([stepRecord(name), null]);
      } catch (error) {
        failed.push({ step: name, error });
      }
      await this.#records.write(undone);
    }
    return failed;
  }
}
