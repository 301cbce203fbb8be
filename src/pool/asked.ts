// What a running task asks, from wherever it runs: the records of its steps, and children of its own. A task in a thread or process
// has neither the store nor the pool at hand; its runner sends a question, and whoever started the element answers: a pool for itself,
// a fleet's worker for the job. Calls cross as names and encoded arguments, as tasks do.
import { UsageError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Call } from "../task/call.ts";
import { call, flatten, gatheringCall, isCall } from "../task/call.ts";
import { decode, encode } from "../task/codec.ts";
import type { Change, DurableHost, JournalRecord } from "../task/durable/host.ts";
import { groupTask } from "../task/flow.ts";
import type { Gather } from "../task/gather.ts";
import type { GraphOptions } from "../task/inherit.ts";
import { inheriting } from "../task/inherit.ts";
import { importableModule, loadTask } from "../task/load.ts";
import type { Policy } from "../task/options.ts";
import type { Definition, Task } from "../task/task.ts";
import { definitionOf, taskOf } from "../task/task.ts";
import type { Future } from "./future.ts";
import { partsOf } from "./future.ts";
import type { Question } from "./wire.ts";

/** Who answers a running task. */
export interface Answerer extends Pick<DurableHost, "now" | "read" | "write" | "isLast" | "stopped" | "changed"> {
  /** Attempts can be suspended, and signals sent. */
  readonly isDurable: boolean;
  submit(call: Call<unknown>): Future<unknown>;
  /** Takes a part of the output of a generator, as the codec's text; a promise where the next has to wait. */
  part?(text: string): Promise<void> | undefined;
}

/**
 * A call as it crosses: the task's name and module, its policy without what is code (the limits with their keys: there the task's own hold),
 * the encoded arguments, and the calls it waits for.
 */
type Sent = readonly [name: string, module: string, policy: Omit<Policy, "limits">, args: string, dependsOn: readonly number[]];

/** What `read` is answered with. */
export interface Journaled {
  readonly records: readonly JournalRecord[];
  readonly now: number;
  readonly isDurable: boolean;
}

/** A call to send, with what its submit says for all of it. Throws UsageError or CodecError for what cannot be sent. */
export function sendable(root: Call<unknown>, options: GraphOptions): readonly Sent[] {
  const heirOf = inheriting(options, "context().submit()");
  return flatten(root).map((node): Sent => {
    const definition = heirOf(definitionOf(node.call.task));
    const { limits: _limits, ...policy } = definition.policy;
    return [definition.name, importableModule(definition), policy, encode(node.args, "args"), node.dependsOn];
  });
}

/** A group is no task of a module: it is made anew of the calls it gathers. */
function regroup({ how, indexes }: Gather, calls: readonly unknown[]): Call<unknown> {
  return gatheringCall(groupTask, indexes.map((index) => calls[index]) as Call<unknown>[], how);
}

async function received(nodes: readonly Sent[]): Promise<Call<unknown>> {
  const load = async ([name, module]: Sent): Promise<Definition | undefined> =>
    name === groupTask.name ? undefined : await loadTask(module, name);
  const definitions = await Promise.all(nodes.map(load));
  const calls: Call<unknown>[] = [];
  for (const [index, [, , policy, text, dependsOn]] of nodes.entries()) {
    const below = dependsOn.map((at) => calls[at]);
    const args = decode(text, below, regroup) as unknown[];
    const definition = definitions[index];
    if (!definition) calls.push(isCall(args[0]) ? args[0] : gatheringCall(groupTask, [], "fail"));
    else {
      const whole = { ...policy, limits: definition.policy.limits };
      calls.push(call(taskOf({ ...definition, policy: whole }) as Task<unknown[], unknown>, ...args));
    }
  }
  return calls.at(-1) as Call<unknown>;
}

/** What the next part of a stream is answered with: how often the call was begun anew by then, and the part. */
export type Next = readonly [restarts: number, done: boolean, part: unknown];

interface Reader {
  readonly parts: AsyncGenerator<unknown, void>;
  restarts: number;
}

/** How a pool answers: it remembers nothing, and each attempt is the last of those steps it has done. */
export function poolAnswerer(runtime: Runtime, submit: Answerer["submit"]): Answerer {
  return {
    isDurable: false,
    now: () => runtime.now(),
    read: (prefix) => (prefix === "signal/" ? Promise.reject(noSignals()) : Promise.resolve([])),
    write: () => Promise.resolve(true),
    isLast: () => true,
    changed: () => undefined,
    stopped: () => undefined,
    submit,
  };
}

function noSignals(): UsageError {
  return new UsageError("context().waitFor() waits for a signal, and a pool has none. Submit the task to a fleet.");
}

/** Answers the questions of one running element. */
export class Questions {
  readonly #answerer: Answerer;
  readonly #part: (text: string) => void;
  readonly #futures = new Map<number, Future<unknown>>();
  readonly #readers = new Map<number, Reader>();
  #numbers = 0;

  /** `part` keeps parts where the answerer does not take them. */
  constructor(answerer: Answerer, part: (text: string) => void) {
    this.#answerer = answerer;
    this.#part = part;
  }

  async answer(what: Question, args: readonly unknown[]): Promise<unknown> {
    const answerer = this.#answerer;
    switch (what) {
      case "read": {
        const records = await answerer.read(args[0] as string);
        return { records, now: answerer.now(), isDurable: answerer.isDurable } satisfies Journaled;
      }
      case "write":
        return answerer.write(args[0] as readonly Change[]);
      case "last":
        return answerer.isLast(args[0]);
      case "stopped":
        return answerer.stopped(args[0]);
      case "changed":
        return answerer.changed(args[0] as readonly string[], args[1] as readonly string[]);
      case "submit":
        return this.#submit(args[0] as readonly Sent[]);
      case "await":
        return this.#futures.get(args[0] as number);
      case "cancel":
        return this.#futures.get(args[0] as number)?.cancel(args[1] as string | undefined);
      case "forget":
        return void this.#futures.delete(args[0] as number);
      case "part":
        return answerer.part ? answerer.part(args[0] as string) : this.#part(args[0] as string);
      case "stream":
        return this.#read(this.#futures.get(args[0] as number) as Future<unknown>);
      // These are heard by the pool.
      case "undoing":
      case "left":
        return undefined;
      case "next":
        return this.#next(args[0] as number);
    }
  }

  #read(future: Future<unknown>): number {
    const reader: Reader = { parts: partsOf(future, () => (reader.restarts += 1)), restarts: 0 };
    this.#readers.set(this.#numbers, reader);
    return this.#numbers++;
  }

  async #next(number: number): Promise<Next> {
    const reader = this.#readers.get(number) as Reader;
    const { done = false, value } = await reader.parts.next();
    if (done) this.#readers.delete(number);
    return [reader.restarts, done, value];
  }

  async #submit(nodes: readonly Sent[]): Promise<readonly [number: number, id: string]> {
    const future = this.#answerer.submit(await received(nodes));
    const number = this.#numbers++;
    this.#futures.set(number, future);
    return [number, await future.submitted];
  }
}
