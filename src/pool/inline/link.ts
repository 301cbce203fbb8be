// A worker on this very event loop: the same runner as in a thread, connected by function calls. Values are copied where a thread
// would copy them, so a program finds out here what will not work there. Nothing can end it: a task that does not stop is
// abandoned, which means that its runner is left alone and whatever it still sends is not heard.
import type { Runtime } from "../../core/runtime.ts";
import { claimBytes, Claims } from "../claims.ts";
import type { Executor } from "../executor.ts";
import type { Link, LinkEvents, OpenLink, Place } from "../link.ts";
import { copy, structured } from "../payload.ts";
import type { AbortMessage, AnswerMessage, FromWorker, GiveMessage, ResultsMessage } from "../wire.ts";
import { ask, at, log, progress } from "../wire.ts";
import type { RunnerPort } from "../worker/port.ts";
import { Runner } from "../worker/runner.ts";
import { Turn } from "../worker/turn.ts";

/** What a thread's messages do to the values in them. */
function copied(
  kinds: GiveMessage[4],
  data: readonly unknown[],
  moves: readonly ArrayBuffer[],
  where: string,
): readonly unknown[] {
  if (typeof kinds === "number" && kinds !== structured) return data;
  return data.map((item, i) => (at(kinds, i) === structured ? copy(item, moves, where)[0] : item));
}

class InlineLink implements Link, RunnerPort {
  readonly #runtime: Runtime;
  readonly #events: LinkEvents;
  readonly #claims = new Claims(new ArrayBuffer(claimBytes));
  readonly #runner: Runner;
  #isDead = false;

  constructor(
    parts: { readonly runtime: Runtime; readonly turn: Turn; readonly idPrefix: string; readonly executor: () => Executor },
    events: LinkEvents,
  ) {
    const { runtime } = parts;
    this.#runtime = runtime;
    this.#events = events;
    this.#runner = new Runner({ ...parts, port: this, claims: this.#claims, crossing: "thread" });
    queueMicrotask(() => this.#tell(() => events.ready()));
  }

  // From the pool.

  give(message: GiveMessage, moves: readonly ArrayBuffer[]): void {
    const [op, slot, count, tasks, kinds, shape, data, ...rest] = message;
    this.#claims.open(slot, count);
    const own: GiveMessage = [op, slot, count, tasks, kinds, shape, copied(kinds, data, moves, "args"), ...rest];
    queueMicrotask(() => this.#runner.receive(own));
  }

  take(slot: number, from: number, keep: number, then: (place: Place) => void): void {
    const { next, end, since, isImporting } = this.#claims.take(slot, from, keep);
    then({ next, end, runningMs: this.#runtime.elapsed() - since, isImporting });
  }

  begun(slot: number): number {
    return this.#claims.begun(slot);
  }

  abort(message: AbortMessage): void {
    this.#runner.receive(message);
  }

  answer(message: AnswerMessage): void {
    queueMicrotask(() => this.#runner.receive(message));
  }

  end(): void {
    this.kill();
  }

  kill(): void {
    for (const slot of [0, 1]) this.#claims.take(slot, 0, 0);
    queueMicrotask(() =>
      this.#tell(() => {
        this.#isDead = true;
        this.#events.died({ reason: "exit", detail: undefined, cause: undefined, begun: undefined, importing: false });
      }),
    );
  }

  hold(): void {
    // This event loop keeps itself alive, by whatever its tasks wait for.
  }

  // From the runner.

  results(message: ResultsMessage, moves: readonly ArrayBuffer[]): void {
    const [op, slot, from, count, kinds, shape, data, ...rest] = message;
    const own: ResultsMessage = [op, slot, from, count, kinds, shape, copied(kinds, data, moves, "result"), ...rest];
    this.#tell(() => this.#events.results(own));
  }

  report(message: FromWorker): void {
    if (message[0] === log || message[0] === progress || message[0] === ask) this.#tell(() => this.#events.report(message));
  }

  #tell(event: () => void): void {
    if (!this.#isDead) event();
  }
}

/** Makes workers of this event loop; all of them together give it its turn. */
export function openInline(runtime: Runtime, idPrefix: string, executor: () => Executor): OpenLink {
  const parts = { runtime, turn: new Turn(runtime), idPrefix, executor };
  return (events) => new InlineLink(parts, events);
}
