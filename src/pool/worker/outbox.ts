// Outcomes on their way back. They are sent together, at the end of a batch or when a ms has passed since the last were sent:
// a message for each would cost more than most tasks. What is sent is already a copy, or is sent
// before the next task can change it.
import type { Shape } from "../flat.ts";
import { Flattener, valueFrom, widthOf } from "../flat.ts";
import { dataOf, flat, kindOf, refused, structured, text } from "../payload.ts";
import type { Crossing, PayloadKind, failed } from "../payload.ts";
import { encodeThrown } from "../../task/thrown.ts";
import { transfersIn } from "../../task/transfer.ts";
import type { ResultsMessage } from "../wire.ts";
import { results } from "../wire.ts";
import type { RunnerPort } from "./port.ts";

const holdMs = 1;

export class Outbox {
  readonly #port: RunnerPort;
  readonly #crossing: Crossing;
  #slot = 0;
  #from = 0;
  /** How many outcomes there are. */
  #count = 0;
  /** The shape of all of them; undefined where they differ, or are not flat. */
  #shape: Shape | undefined;
  #kinds: PayloadKind[] = [];
  #data: unknown[] = [];
  readonly #flattener = new Flattener();
  #moves: readonly ArrayBuffer[] = [];
  #since = 0;

  constructor(port: RunnerPort, crossing: Crossing) {
    this.#port = port;
    this.#crossing = crossing;
  }

  /** True when there is nothing to send. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** True when what there is has waited long enough. */
  isDue(now: number): boolean {
    return this.#count > 0 && now - this.#since > holdMs;
  }

  /** A batch begins. */
  open(slot: number, now: number): void {
    this.#slot = slot;
    this.#from = 0;
    this.#since = now;
  }

  /** Time until now is not the tasks' own: a module was being loaded, or others had their turn. */
  rest(now: number): void {
    this.#since = now;
  }

  /** A task has returned `value`. Gives true when it must be sent at once. `asText`: whoever asked wants the codec's text. */
  value(value: unknown, asText: boolean): boolean {
    if (!asText && this.#addFlat(value)) return false;
    try {
      const kind = asText ? text : kindOf(value, "result", this.#crossing);
      this.#add(kind, dataOf(kind, value, "result"));
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
    this.#add(kind, encodeThrown(thrown));
  }

  /** Adds a flat value to the column; false when it is not flat, or the column is of another shape. */
  #addFlat(value: unknown): boolean {
    const shape = this.#flattener.add(value, this.#data);
    if (shape === undefined) return false;
    if (this.#count === 0) this.#shape = shape;
    if (this.#shape === shape) {
      this.#count += 1;
      return true;
    }
    const values = this.#data.splice(this.#data.length - widthOf(shape));
    this.#add(flat, valueFrom(shape, values, 0));
    return true;
  }

  /** Adds an item of its own; those in the column become items, too. */
  #add(kind: PayloadKind, item: unknown): void {
    const shape = this.#shape;
    if (shape !== undefined) {
      const width = widthOf(shape);
      const values = this.#data;
      this.#data = Array.from({ length: this.#count }, (_, i) => valueFrom(shape, values, i * width));
      this.#kinds = this.#data.map(() => flat);
      this.#shape = undefined;
    }
    this.#data.push(item);
    this.#kinds.push(kind);
    this.#count += 1;
  }

  /** Sends what there is. */
  send(now: number, finished: boolean): void {
    const message: ResultsMessage = [
      results,
      this.#slot,
      this.#from,
      this.#count,
      this.#shape === undefined ? this.#kinds : flat,
      this.#shape,
      this.#data,
      finished,
      now - this.#since,
      now,
    ];
    const moves = this.#moves;
    this.#from += this.#count;
    this.#clear();
    this.#since = now;
    this.#send(message, moves);
  }

  #clear(): void {
    this.#count = 0;
    this.#shape = undefined;
    this.#kinds = [];
    this.#data = [];
    this.#moves = [];
  }

  #send(message: ResultsMessage, moves: readonly ArrayBuffer[]): void {
    try {
      this.#port.results(message, moves);
    } catch (error) {
      // The engine refused to copy what the codec allows, such as memory that the engine has run out of.
      const [, slot, from, count, , , , finished, tookMs, clock] = message;
      const data = Array.from({ length: count }, () => encodeThrown(error));
      this.#port.results([results, slot, from, count, refused, undefined, data, finished, tookMs, clock], []);
    }
  }
}
