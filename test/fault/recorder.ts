// Stands between a worker and its store, and writes down what the store gives it and what it answers. What the checker knows of
// leases it knows from here: to whom each claim went, under which fence, and which outcomes the store took.
import { randomUUID } from "node:crypto";
import type { WorkerEvent } from "../../src/index.ts";
import type { Outcome } from "../../src/store/job.ts";
import type { Settled, Store, Want } from "../../src/store/store.ts";
import type { Claimed, Line, Ran, Stepped } from "./history.ts";
import { HistoryWriter, sharedMs } from "./history.ts";

/** Records for one worker process. */
export class Recorder {
  readonly #history: HistoryWriter;
  readonly #claims = new Map<string, Claimed>();

  constructor(path: string) {
    this.#history = new HistoryWriter(path);
  }

  /** The store with its `settle` recorded. */
  watch(store: Store): Store {
    return new Proxy(store, {
      get: (target, key: keyof Store): unknown => {
        const member = target[key];
        if (key === "settle") {
          return (worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number) =>
            this.#settle(target, worker, outcomes, wants, now);
        }
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }

  /** Records that a job's task runs now. The line is in the file before the task goes on. */
  ran(id: string, task: string, attempt: number): Ran {
    const { fence, worker } = this.#claim(id);
    const ran: Ran = { kind: "ran", id, task, attempt, fence, worker, token: randomUUID(), at: sharedMs() };
    this.#history.write([ran]);
    return ran;
  }

  /** Records that a step of a job runs now, and gives the token of that. */
  stepped(id: string, step: string): string {
    const { fence } = this.#claim(id);
    const stepped: Stepped = { kind: "stepped", id, step, fence, token: randomUUID(), at: sharedMs() };
    this.#history.write([stepped]);
    return stepped.token;
  }

  #claim(id: string): Claimed {
    const claim = this.#claims.get(id);
    if (!claim) throw new Error(`Job ${id} runs here and was not claimed here.`);
    return claim;
  }

  /** Records what the worker says of itself. */
  report(event: WorkerEvent): void {
    const at = sharedMs();
    if (event.kind === "lease-lost") this.#history.write([{ kind: "lease-lost", worker: event.worker, ms: 0, at }]);
    if (event.kind === "store-back") this.#history.write([{ kind: "store-back", worker: "", ms: event.ms, at }]);
  }

  async #settle(
    store: Store,
    worker: string,
    outcomes: readonly Outcome[],
    wants: readonly Want[],
    now: number,
  ): Promise<Settled> {
    const sentAt = sharedMs();
    const settled = await store.settle(worker, outcomes, wants, now);
    const at = sharedMs();
    const refused = new Set(settled.refused);
    const lines: Line[] = outcomes.map((outcome, index) => ({
      kind: refused.has(index) ? "refused" : "accepted",
      id: outcome.id,
      fence: outcome.fence,
      worker,
      outcome: outcome.kind,
      result: outcome.kind === "done" ? outcome.result : null,
      sentAt,
      at,
    }));
    for (const { id, fence } of outcomes) if (this.#claims.get(id)?.fence === fence) this.#claims.delete(id);
    for (const { id, attempt, fence } of settled.claimed) {
      const claimed: Claimed = { kind: "claimed", id, attempt, fence, worker, at };
      this.#claims.set(id, claimed);
      lines.push(claimed);
    }
    this.#history.write(lines);
    return settled;
  }
}
