// Calls of tasks that do many at once. They wait here for each other and then go to a worker as one entry, their carrier, which is a
// call of the task's companion. Each keeps its own life: its retries, its expiry, its cancel. A member that ends before its
// carrier is passed over when that has ended; when all have, nobody wants the carrier any more.
import { CancelledError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import type { Told } from "../task/batch.ts";
import { companionOf } from "../task/batch.ts";
import { encode } from "../task/codec.ts";
import type { FinalState } from "../task/state.ts";
import type { Definition } from "../task/task.ts";
import { Entry } from "./entry.ts";
import { argsFrom, listOf } from "./flat.ts";
import type { Intake } from "./intake.ts";
import { textOf } from "./payload.ts";
import type { TaskRecord } from "./record.ts";

type Ended = (state: FinalState, outcome: unknown) => void;

class Carrier extends Entry {
  readonly #ended: Ended;

  constructor(definition: Definition, record: TaskRecord, number: number, ended: Ended) {
    super(definition, record, number);
    this.#ended = ended;
  }

  ended(state: FinalState, outcome: unknown): void {
    this.#ended(state, outcome);
  }
}

interface Group {
  entries: Entry[];
  timer: Timer | undefined;
}

/** What batches need of their engine. */
export interface BatchesHost {
  readonly runtime: Runtime;
  readonly intake: Intake;
  /** A carrier is on its way. */
  carry(carrier: Entry): void;
  /** Nobody wants it any more. */
  stop(carrier: Entry, error: Error): void;
  /** What a member is told. */
  told(member: Entry, told: Told): void;
  /** The whole has failed. */
  failed(member: Entry, error: unknown): void;
}

/** The calls of one pool that are gathered, or carried. */
export class Batches {
  readonly #host: BatchesHost;
  /** By the function that does many calls, which copies of a task with other options share. */
  readonly #groups = new Map<Definition["many"], Group>();
  /** The members of each carrier that have not ended. */
  readonly #carried = new Map<Entry, Set<Entry>>();

  constructor(host: BatchesHost) {
    this.#host = host;
  }

  add(entry: Entry): void {
    const { many, policy } = entry.definition;
    const { size = 1, waitMs = 0 } = policy.batch ?? {};
    let group = this.#groups.get(many);
    if (!group) this.#groups.set(many, (group = { entries: [], timer: undefined }));
    group.entries.push(entry);
    if (group.entries.length >= size) this.#go(many, group);
    else group.timer ??= this.#host.runtime.after(waitMs, () => this.#go(many, group));
  }

  /** The calls that wait here, or are carried, and have not ended. */
  entries(): Entry[] {
    const waiting = [...this.#groups.values()].flatMap(({ entries }) => entries);
    const carried = [...this.#carried.values()].flatMap((members) => [...members]);
    return [...waiting.filter((entry) => !entry.hasEnded), ...carried];
  }

  /** A member has ended before its carrier. */
  left(member: Entry): void {
    const { carrier } = member;
    const members = carrier && this.#carried.get(carrier);
    if (!members?.delete(member) || members.size > 0) return;
    this.#host.stop(
      carrier as Entry,
      new CancelledError(`All calls of a batch of task "${member.definition.name}" were cancelled.`),
    );
  }

  #go(many: Definition["many"], group: Group): void {
    group.timer?.cancel();
    this.#groups.delete(many);
    const members: Entry[] = [];
    const texts: string[] = [];
    for (const entry of group.entries) {
      if (entry.hasEnded) continue;
      try {
        texts.push(textOfArgs(entry));
        members.push(entry);
      } catch (error) {
        this.#host.failed(entry, error);
      }
    }
    const [first] = members;
    if (first) this.#carry(first, members, texts);
  }

  #carry(first: Entry, members: readonly Entry[], texts: readonly string[]): void {
    const { intake } = this.#host;
    const companion = companionOf(first.definition);
    const limits = members.flatMap(({ timeoutMs }) => timeoutMs ?? []);
    const ended: Ended = (state, outcome) => this.#ended(carrier, members, state, outcome);
    const carrier: Carrier = new Carrier(companion, intake.recordOf(companion), intake.nextNumber(), ended);
    carrier.attempt = first.attempt;
    carrier.extra.terms = {
      id: intake.idOf(first),
      timeoutMs: limits.length === 0 ? undefined : Math.min(...limits),
      asText: false,
      answerer: undefined,
      onLog: undefined,
      onProgress: (fraction, note) => {
        for (const member of members) if (!member.hasEnded) member.extra.progress = { fraction, note };
      },
    };
    intake.setArgs(carrier, [texts]);
    this.#carried.set(carrier, new Set(members));
    for (const member of members) member.extra.carrier = carrier;
    this.#host.carry(carrier);
  }

  #ended(carrier: Entry, members: readonly Entry[], state: FinalState, outcome: unknown): void {
    const open = this.#carried.get(carrier);
    this.#carried.delete(carrier);
    for (const member of members) member.extra.carrier = undefined;
    for (const [place, member] of members.entries()) {
      if (!open?.has(member) || member.hasEnded) continue;
      if (state === "done") this.#host.told(member, (outcome as readonly Told[])[place] as Told);
      else this.#host.failed(member, outcome);
    }
  }
}

function textOfArgs(entry: Entry): string {
  const { shape, kind, data } = entry;
  return shape === undefined ? textOf(kind, data) : encode(argsFrom(shape, listOf(entry), 0), "args");
}
