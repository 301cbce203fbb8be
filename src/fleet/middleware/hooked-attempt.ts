// An attempt with middleware around it. It ends once, when the outermost layer has: as the attempt inside it ended, or failed with what a
// layer threw. Whoever aborts it before the attempt has begun, or when that is over and layers are not, ends it at once: middleware that
// hangs holds up no cancellation.
import type { Attempt, AttemptEnd } from "../attempt.ts";
import type { Hooked } from "./hooks.ts";
import { throughLayers } from "./layers.ts";
import type { Came, JobFacts, RunNext } from "./middleware.ts";

/** Starts the attempt itself, which tells its end once; undefined where it ended at once. Throws when it cannot be started. */
export type StartAttempt = (end: (end: AttemptEnd) => void) => Attempt | undefined;

const came: Partial<Record<AttemptEnd["kind"], Came>> = { suspended: "waiting", retracted: "released" };

export class HookedAttempt implements Attempt {
  readonly #start: StartAttempt;
  readonly #end: (end: AttemptEnd) => void;
  #inner: Attempt | undefined;
  #innerEnd: AttemptEnd | undefined;
  #isOver = false;

  /** Begins at once. */
  constructor(layers: Hooked<"run">, job: JobFacts, start: StartAttempt, end: (end: AttemptEnd) => void) {
    this.#start = start;
    this.#end = end;
    const call = (layer: Hooked<"run">[number][1], _: undefined, next: RunNext): unknown => layer(job, next);
    const through = throughLayers(
      { layers, call, inside: () => undefined, core: () => this.#attempt(), told: (came: Came) => came },
      undefined,
    );
    through.then(
      () => this.#finish(this.#innerEnd as AttemptEnd),
      (error: unknown) => this.#finish(this.#endOf(error)),
    );
  }

  abort(reason: Error): void {
    this.#stop({ kind: "failed", error: reason }, (inner) => inner.abort(reason));
  }

  abandon(reason: Error): void {
    this.#stop({ kind: "retracted" }, (inner) => inner.abandon(reason));
  }

  retract(): void {
    this.#stop({ kind: "retracted" }, (inner) => inner.retract());
  }

  resumed(): void {
    this.#inner?.resumed();
  }

  #stop(unbegun: AttemptEnd, stop: (inner: Attempt) => void): void {
    if (this.#innerEnd) this.#finish(this.#innerEnd);
    else if (this.#inner) stop(this.#inner);
    else this.#finish(unbegun);
  }

  #attempt(): Promise<Came> {
    return new Promise((resolve, reject) => {
      const end = (end: AttemptEnd): void => {
        this.#innerEnd = end;
        if ("error" in end) reject(end.error);
        else resolve(came[end.kind] ?? "done");
      };
      // Nobody waits for it any more.
      if (this.#isOver) return end({ kind: "retracted" });
      try {
        this.#inner = this.#start(end);
      } catch (error) {
        end({ kind: "failed", error });
      }
    });
  }

  /** What an error that comes out of the layers makes of the attempt. */
  #endOf(error: unknown): AttemptEnd {
    const inner = this.#innerEnd;
    // It goes on later, or elsewhere: it cannot fail here.
    if (inner?.kind === "suspended" || inner?.kind === "retracted") return inner;
    return inner && "error" in inner ? { ...inner, error } : { kind: "failed", error };
  }

  #finish(end: AttemptEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end(end);
  }
}
