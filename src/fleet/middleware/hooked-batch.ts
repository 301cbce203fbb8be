// Several jobs that are one attempt, each with middleware around it. The batch begins when middleware has decided about every one of them,
// with those it lets go on: so a hook that takes long holds up the others of its batch.
import type { Place } from "../../task/options.ts";
import type { Attempt, AttemptEnd } from "../attempt.ts";
import type { Running } from "../running.ts";
import type { RunHooks } from "./run-hooks.ts";

/** A job that is to be part of a batch. */
export interface BatchMember {
  readonly running: Running;
  /** Its arguments, encoded. */
  readonly text: string;
}

/** One that is part of it now. */
export interface BegunMember extends BatchMember {
  /** Told its own end. */
  readonly end: (end: AttemptEnd) => void;
  /** Given what stops it. */
  begun(attempt: Attempt): void;
}

/** One that middleware has let go on, while it has not decided about the others. */
class WaitingMember implements Attempt, BegunMember {
  readonly running: Running;
  readonly text: string;
  readonly end: (end: AttemptEnd) => void;
  hasLeft = false;
  #attempt: Attempt | undefined;

  constructor({ running, text }: BatchMember, end: (end: AttemptEnd) => void) {
    this.running = running;
    this.text = text;
    this.end = end;
  }

  begun(attempt: Attempt): void {
    this.#attempt = attempt;
  }

  abort(reason: Error): void {
    if (this.#attempt) this.#attempt.abort(reason);
    else this.#leave({ kind: "failed", error: reason });
  }

  abandon(reason: Error): void {
    if (this.#attempt) this.#attempt.abandon(reason);
    else this.#leave({ kind: "retracted" });
  }

  retract(): void {
    if (this.#attempt) this.#attempt.retract();
    else this.#leave({ kind: "retracted" });
  }

  resumed(): void {
    this.#attempt?.resumed();
  }

  #leave(end: AttemptEnd): void {
    this.hasLeft = true;
    this.end(end);
  }
}

/** Begins the attempts of all members; `launch` starts those that go on. */
export function beginTogether(
  hooks: RunHooks,
  members: readonly BatchMember[],
  on: Place,
  launch: (members: readonly BegunMember[]) => void,
  ended: (member: Running, end: AttemptEnd) => void,
): void {
  const ready: WaitingMember[] = [];
  let undecided = members.length;
  const decided = (): void => {
    undecided -= 1;
    const going = undecided === 0 ? ready.filter(({ hasLeft }) => !hasLeft) : [];
    if (going.length > 0) launch(going);
  };
  for (const member of members) {
    let hasDecided = false;
    const start = (over: (end: AttemptEnd) => void): Attempt => {
      hasDecided = true;
      const waiting = new WaitingMember(member, over);
      ready.push(waiting);
      decided();
      return waiting;
    };
    const end = (end: AttemptEnd): void => {
      ended(member.running, end);
      if (hasDecided) return;
      hasDecided = true;
      decided();
    };
    member.running.attempt = hooks.begin(member.running.job, on, start, end);
  }
}
