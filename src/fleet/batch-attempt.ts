// One attempt of several jobs at once. Each of them ends by itself: with its own outcome when the batch has ended, or before, when it is
// cancelled, while the others go on; the last one to leave has the batch stopped.
import { UsageError } from "../core/errors.ts";
import { decode } from "../task/codec.ts";
import type { Told } from "../task/batch.ts";
import { decodeThrown } from "../task/thrown.ts";
import type { Attempt, AttemptEnd, AttemptOptions } from "./attempt.ts";

type End = (end: AttemptEnd) => void;

/** What a batch cannot have, because it belongs to one job: steps and children. */
export function withoutJob(task: string): Pick<AttemptOptions, "durable" | "children" | "part"> {
  const refuse = (what: string): never => {
    throw new UsageError(
      `Task "${task}" does many calls at once, and ${what} would belong to one of them. Do them in a task that takes one input.`,
    );
  };
  return {
    part: () => refuse("what is yielded"),
    get durable() {
      return refuse("steps, sleeps and signals");
    },
    get children() {
      return refuse("children");
    },
  };
}

export class BatchAttempt {
  readonly #open: Map<number, End>;
  #attempt: Attempt | undefined;

  /** `ends` are told how each job ended, in the order of the batch. */
  constructor(ends: readonly End[]) {
    this.#open = new Map(ends.entries());
  }

  /** The attempt of the whole. */
  set attempt(attempt: Attempt) {
    this.#attempt = attempt;
  }

  /** The attempt as one of its jobs has it. */
  member(place: number): Attempt {
    return {
      abort: (reason) => this.#leave(place, reason, (attempt) => attempt.abort(reason)),
      abandon: (reason) => this.#leave(place, reason, (attempt) => attempt.abandon(reason)),
      resumed: () => undefined,
      retract: () => this.#attempt?.retract(),
    };
  }

  /** The whole has ended. */
  readonly end: End = (ended) => {
    for (const [own, end] of this.#close(ended)) end(own);
  };

  #close(ended: AttemptEnd): (readonly [AttemptEnd, End])[] {
    const open = [...this.#open];
    this.#open.clear();
    const told = toldBy(ended);
    return open.map(([place, end]) => [told ? memberEnd(told[place]) : ended, end] as const);
  }

  #leave(place: number, reason: Error, stop: (attempt: Attempt) => void): void {
    const end = this.#open.get(place);
    if (!end) return;
    this.#open.delete(place);
    if (this.#open.size === 0 && this.#attempt) stop(this.#attempt);
    end({ kind: "failed", error: reason });
  }
}

function toldBy(ended: AttemptEnd): readonly Told[] | undefined {
  if (ended.kind === "done") return ended.value as readonly Told[];
  return ended.kind === "encoded" ? (decode(ended.result) as readonly Told[]) : undefined;
}

function memberEnd(told: Told | undefined): AttemptEnd {
  const [isResult, text] = told as Told;
  return isResult ? { kind: "encoded", result: text } : { kind: "failed", error: decodeThrown(text) };
}
