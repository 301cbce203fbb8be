// Outcomes on their way back. They are sent together, at the end of a batch or when some 200 microseconds have passed
// since the last were sent: a message for each would cost more than most tasks. What is sent is already a copy, or is sent
// before the next task can change it.
import { kindOf, dataOf, failed, raw, refused, structured } from "../payload.ts";
import type { Crossing, PayloadKind } from "../payload.ts";
import { encodeThrown } from "../../task/thrown.ts";
import { transfersIn } from "../../task/transfer.ts";
import type { ResultsMessage } from "../wire.ts";
import { results } from "../wire.ts";
import type { RunnerPort } from "./port.ts";

const holdMs = 0.2;

export class Outbox {
  readonly #port: RunnerPort;
  readonly #crossing: Crossing;
  #slot = 0;
  #from = 0;
  #data: unknown[] = [];
  #kind: PayloadKind = raw;
  #kinds: PayloadKind[] | undefined;
  #moves: readonly ArrayBuffer[] = [];
  #since = 0;

  constructor(port: RunnerPort, crossing: Crossing) {
    this.#port = port;
    this.#crossing = crossing;
  }

  /** True when there is nothing to send. */
  get isEmpty(): boolean {
    return this.#data.length === 0;
  }

  /** True when what there is has waited long enough. */
  isDue(now: number): boolean {
    return this.#data.length > 0 && now - this.#since > holdMs;
  }

  /** A batch begins. */
  open(slot: number, now: number): void {
    this.#slot = slot;
    this.#from = 0;
    this.#since = now;
  }

  /** Time until now is not the tasks' own: a module was being loaded. */
  rest(now: number): void {
    this.#since = now;
  }

  /** A task has returned `value`. Gives true when it must be sent at once. `asText`: whoever asked wants the codec's text. */
  value(value: unknown, asText: PayloadKind | undefined): boolean {
    try {
      const kind = asText ?? kindOf(value, "result", this.#crossing);
      this.#push(kind, dataOf(kind, value, "result"));
      if (kind !== structured) return false;
      this.#moves = transfersIn(value);
      return true;
    } catch (error) {
      // A result that cannot be sent will not be the next time either.
      this.error(error, refused);
      return false;
    }
  }

  /** A task has thrown. */
  error(thrown: unknown, kind: typeof failed | typeof refused): void {
    this.#push(kind, encodeThrown(thrown));
  }

  #push(kind: PayloadKind, data: unknown): void {
    if (this.#data.length === 0) this.#kind = kind;
    else if (this.#kinds) this.#kinds.push(kind);
    else if (kind !== this.#kind) this.#kinds = [...this.#data.map(() => this.#kind), kind];
    this.#data.push(data);
  }

  /** Sends what there is. */
  send(now: number, finished: boolean): void {
    const data = this.#data;
    const message: ResultsMessage = [
      results,
      this.#slot,
      this.#from,
      this.#kinds ?? this.#kind,
      data,
      finished,
      now - this.#since,
      now,
    ];
    const moves = this.#moves;
    this.#from += data.length;
    this.#data = [];
    this.#kinds = undefined;
    this.#moves = [];
    this.#since = now;
    this.#send(message, moves);
  }

  #send(message: ResultsMessage, moves: readonly ArrayBuffer[]): void {
    try {
      this.#port.results(message, moves);
    } catch (error) {
      // The engine refused to copy what the codec allows, such as memory that the engine has run out of.
      const [, slot, from, , data, finished, tookMs, clock] = message;
      const text = encodeThrown(error);
      this.#port.results([results, slot, from, refused, data.map(() => text), finished, tookMs, clock], []);
    }
  }
}
