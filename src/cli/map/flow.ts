// The flow of a map: inputs are taken in, become jobs or are matched with recorded results, and leave as lines, in the order of the
// inputs or as they come. Memory is bounded by the window (inputs taken in and not yet written) and by a budget for finished lines
// that wait for their turn. When either is full no input is taken in until half of it is free, so that submits share commits.
// It ends once: with everything written, or earlier when it is stopped.
import type { Runtime } from "../../core/runtime.ts";
import type { Hands } from "../../fleet/hands.ts";
import { call } from "../../task/call.ts";
import type { Call } from "../../task/call.ts";
import type { LoadedTask } from "../module.ts";
import type { MapInput } from "./inputs.ts";
import type { Recorded } from "./recorded.ts";
import { Rereader } from "./rereader.ts";

const windowInputs = 4096;
/** The window at the start, when nothing is known yet about the size of results. It grows by two for each result. */
const firstInputs = 64;
const budgetChars = 64 * 2 ** 20;

/** How one input ended. */
export type MapOutcome =
  | { readonly kind: "done"; readonly result: unknown; readonly reused: boolean }
  | { readonly kind: "failed"; readonly error: unknown };

/** What a flow works with. */
export interface FlowOptions {
  readonly hands: Hands;
  readonly runtime: Runtime;
  readonly task: LoadedTask;
  readonly recorded: Recorded;
  readonly workers: number;
  readonly ordered: boolean;
  /** An input, the `index`th, has ended. Gives the line to write for it. */
  ended(input: MapInput, index: number, outcome: MapOutcome): string;
  /** The line's turn has come. Gives a promise when no more can be written for now. */
  write(line: string): Promise<void> | undefined;
}

/** One input on its way. */
interface Item {
  readonly input: MapInput;
  readonly index: number;
  line: string | undefined;
  next: Item | undefined;
}

/** Takes inputs in and gives lines out. */
export class Flow {
  readonly #options: FlowOptions;
  readonly #reread: Rereader;
  readonly #finished = Promise.withResolvers<void>();
  /** The oldest item not written, when order is kept; the newest one. */
  #head: Item | undefined;
  #tail: Item | undefined;
  #taken = 0;
  /** Inputs taken in and not written; among them those that have not ended. */
  #open = 0;
  #inFlight = 0;
  /** Characters of finished lines that wait; of all lines made, to know what one usually takes. */
  #waitingChars = 0;
  #madeChars = 0;
  #made = 0;
  #roomAgain: (() => void) | undefined;
  #takenAll = false;
  #stopped = false;
  #writing: Promise<void> | undefined;

  constructor(options: FlowOptions) {
    this.#options = options;
    this.#reread = new Rereader(options.hands, options.runtime);
  }

  /** Runs all inputs. Resolves when every line is written or the flow was stopped; rejects when it cannot go on. */
  run(inputs: AsyncIterable<MapInput>): Promise<void> {
    this.#takeIn(inputs).catch((error: unknown) => this.#finished.reject(error));
    return this.#finished.promise;
  }

  /** Takes in no more inputs and writes no more lines. */
  stop(): void {
    this.#stopped = true;
    this.#roomAgain?.();
    this.#finished.resolve();
  }

  async #takeIn(inputs: AsyncIterable<MapInput>): Promise<void> {
    for await (const input of inputs) {
      if (this.#stopped) return;
      const item: Item = { input, index: this.#taken, line: undefined, next: undefined };
      this.#taken += 1;
      this.#open += 1;
      this.#inFlight += 1;
      if (this.#options.ordered) this.#append(item);
      await this.#start(item);
      if (!this.#hasRoom(1)) await this.#waitForRoom();
      if (this.#writing) await this.#writing;
      if (this.#stopped) return;
    }
    this.#takenAll = true;
    this.#checkFinished();
  }

  #append(item: Item): void {
    if (this.#tail) this.#tail.next = item;
    this.#tail = item;
    this.#head ??= item;
  }

  async #start(item: Item): Promise<void> {
    const { recorded, task } = this.#options;
    let made: Call<unknown>;
    let known: string | undefined;
    try {
      made = call(task, ...item.input.args);
      known = await recorded.take(made);
    } catch (error) {
      // An argument that the task's schema refuses or that cannot be stored.
      return this.#end(item, { kind: "failed", error });
    }
    if (known === undefined) return this.#submit(item, made);
    this.#reread.read(known).then(
      (job) => {
        if (job) this.#end(item, { kind: "done", result: job.result, reused: true });
        else this.#submit(item, made);
      },
      (error: unknown) => this.#finished.reject(error),
    );
  }

  #submit(item: Item, made: Call<unknown>): void {
    try {
      const future = this.#options.hands.submit(made);
      // A job that could not be stored is no failed task: the run cannot go on.
      let refused = false;
      future.submitted.catch((error: unknown) => {
        refused = true;
        this.#finished.reject(error);
      });
      future.then(
        (result) => this.#end(item, { kind: "done", result, reused: false }),
        (error: unknown) => {
          if (!refused) this.#end(item, { kind: "failed", error });
        },
      );
    } catch (error) {
      this.#end(item, { kind: "failed", error });
    }
  }

  #end(item: Item, outcome: MapOutcome): void {
    if (this.#stopped) return;
    const line = this.#options.ended(item.input, item.index, outcome);
    this.#inFlight -= 1;
    this.#made += 1;
    this.#madeChars += line.length;
    this.#waitingChars += line.length;
    if (this.#options.ordered) {
      item.line = line;
      this.#writeInOrder();
    } else this.#write(line);
    if (this.#roomAgain && this.#hasRoom(2)) this.#roomAgain();
    this.#checkFinished();
  }

  #writeInOrder(): void {
    while (this.#head?.line !== undefined) {
      this.#write(this.#head.line);
      this.#head = this.#head.next;
    }
    if (!this.#head) this.#tail = undefined;
  }

  #write(line: string): void {
    this.#open -= 1;
    this.#waitingChars -= line.length;
    const writing = this.#options.write(line);
    this.#writing = writing;
  }

  /** True when another input may be taken in: `part` of the window and of the budget is free. */
  #hasRoom(part: number): boolean {
    const window = Math.min(windowInputs, firstInputs + 2 * (this.#options.workers + this.#made));
    if (this.#open >= window / part) return false;
    const usual = this.#made === 0 ? 0 : this.#madeChars / this.#made;
    const busy = this.#inFlight >= 2 * this.#options.workers;
    return this.#waitingChars + (busy ? this.#inFlight * usual : 0) < budgetChars / part;
  }

  async #waitForRoom(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#roomAgain = resolve;
    });
    this.#roomAgain = undefined;
  }

  #checkFinished(): void {
    if (this.#takenAll && this.#open === 0) this.#finished.resolve();
  }
}
