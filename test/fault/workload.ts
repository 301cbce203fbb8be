// What a run submits: single jobs, joins of 5 to 20 leaves, joins of joins, jobs that fail sometimes, jobs of which only one may live
// for a key or so many run, jobs with children, and jobs with steps that sleep and wait for a signal; spread over the time of the faults. It
// keeps what was acknowledged, and what futures told of results.
import { setTimeout as delay } from "node:timers/promises";
import type { Call, Future, Hands } from "../../src/index.ts";
import { call, ManyhandsError, StoreUnavailable, UsageError } from "../../src/index.ts";
import { sharedMs } from "./history.ts";
import type { Made } from "./tasks.ts";
import { childrenOfParent, flaky, fragile, join, leaf, limited, once, parent, saga, sagaSignal, wait } from "./tasks.ts";

/** One submit and what became of it. */
export interface Submit {
  /** The id of its root, unless another job has its key. */
  readonly id: string;
  /** How many jobs it is. */
  readonly size: number;
  readonly key: string | null;
  readonly sentAt: number;
  /** When it was acknowledged, or null. */
  ackedAt: number | null;
  /** The id it was acknowledged with. */
  ackedId: string | null;
  /** How it was refused, unless because the store could not be reached, which may happen here. */
  error: string | null;
  /** What its future told, where it was awaited. */
  told: { readonly token: string } | { readonly error: string } | null;
  /** Resolves when it has been acknowledged or refused. */
  acknowledged: Promise<void>;
}

/** What a workload is begun with. */
export interface WorkloadTerms {
  readonly first: number;
  readonly acknowledged: (id: string) => void;
}

const keys = 40;
/** So few that many jobs stand before them. */
const limitedKeys = 4;
/** Jobs of one submitter that wait to be acknowledged. */
const mostUnacknowledged = 2000;
/** Longer than leases: a worker that has lost such a job tells of its end while another runs it. */
const longestMs = 4000;
const tickMs = 20;
/** One in so many results is awaited. */
const awaitedOneIn = 6;

/** Submits jobs through one connection. */
export class Workload {
  readonly submits: Submit[] = [];
  readonly #hands: Hands;
  readonly #random: () => number;
  readonly #acknowledged: (id: string) => void;
  #n: number;
  /** Jobs that are acknowledged, or may be. */
  #submitted = 0;
  #unacknowledged = 0;
  readonly #open = new Set<Promise<void>>();
  /** With their numbers, which their signals bring. */
  readonly #sagas = new Map<Submit, number>();
  readonly #awaited = new Map<Promise<void>, Submit>();

  /** `first` is the first number its jobs are told apart by; `acknowledged` is told the id each submit was acknowledged with. */
  constructor(hands: Hands, random: () => number, { first, acknowledged }: WorkloadTerms) {
    this.#hands = hands;
    this.#random = random;
    this.#n = first;
    this.#acknowledged = acknowledged;
  }

  /** The ids of those whose results are awaited. */
  get awaited(): readonly string[] {
    return [...this.#awaited.values()].map(({ id, ackedId }) => ackedId ?? `${id}, not acknowledged`);
  }

  /**
   * Submits until so many jobs have been acknowledged, spread over so many ms or more; resolves when each submit has been acknowledged
   * or refused. Rejects when that is not so within `limitMs`.
   */
  async submit(jobs: number, overMs: number, limitMs: number): Promise<void> {
    const began = performance.now();
    while (this.#submitted < jobs || this.#open.size > 0) {
      const spentMs = performance.now() - began;
      if (spentMs > limitMs)
        throw new Error(`${this.#open.size} submits are neither acknowledged nor refused after ${limitMs} ms.`);
      const due = Math.min(jobs, Math.ceil((jobs * spentMs) / overMs));
      while (this.#submitted < due && this.#unacknowledged < mostUnacknowledged) this.#one();
      await delay(tickMs);
    }
  }

  /** Resolves when everything that was awaited has been told. */
  async told(): Promise<void> {
    await Promise.all(this.#awaited.keys());
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #one(): void {
    const what = this.#random();
    const n = this.#n++;
    if (what < 0.035) this.#send(this.#join(5 + this.#below(16)), null);
    else if (what < 0.04) this.#send(this.#joinOfJoins(), null);
    else if (what < 0.13) this.#send(call(flaky, n), null);
    else if (what < 0.25) {
      const key = `key ${this.#below(keys)}`;
      this.#send(call(once, n, key, this.#below(30)), key);
    } else if (what < 0.3) this.#send(call(wait, n, this.#below(20)), null);
    else if (what < 0.315) this.#send(call(wait, n, this.#below(longestMs)), null);
    else if (what < 0.365) this.#send(call(limited, n, `key ${this.#below(limitedKeys)}`, this.#below(400)), null);
    else if (what < 0.375) this.#parent(n);
    else if (what < 0.38) this.#saga(n);
    else this.#send(what < 0.39 ? call(fragile, n) : call(leaf, n), null);
  }

  #join(leaves: number): Call<Made> {
    const parts = Array.from({ length: leaves }, () => call(leaf, this.#n++));
    return call(join, this.#n++, parts);
  }

  #joinOfJoins(): Call<Made> {
    const parts = Array.from({ length: 3 }, () => this.#join(5));
    return call(join, this.#n++, parts);
  }

  #parent(n: number): void {
    this.#n += childrenOfParent;
    this.#send(call(parent, n), null, 1 + childrenOfParent);
  }

  #saga(n: number): void {
    const submit = this.#send(call(saga, n, this.#below(longestMs)), null);
    this.#sagas.set(submit, n);
    const signalled = this.#signal(submit, n).finally(() => this.#open.delete(signalled));
    this.#open.add(signalled);
  }

  /** Sends it to those that were stored though their submit was not acknowledged. */
  async signalRest(): Promise<void> {
    for (const [submit, n] of this.#sagas) {
      if (submit.ackedId !== null || submit.error !== null) continue;
      try {
        await this.#hands.signal(submit.id, sagaSignal, n);
        this.#sagas.delete(submit);
      } catch (error) {
        // It was not stored, or not yet, or has ended.
        if (!(error instanceof UsageError || error instanceof StoreUnavailable)) submit.error = String(error);
      }
    }
  }

  /** Sends what a saga waits for, until it has certainly arrived. */
  async #signal(submit: Submit, n: number): Promise<void> {
    await submit.acknowledged;
    for (let tries = 1; submit.ackedId !== null && submit.error === null; tries++) {
      try {
        return await this.#hands.signal(submit.ackedId, sagaSignal, n);
      } catch (error) {
        // The answer to an earlier one was lost; the job has got it and has ended.
        if (tries > 1 && error instanceof UsageError) return;
        if (!(error instanceof StoreUnavailable)) submit.error = String(error);
      }
    }
  }

  #send(what: Call<Made>, key: string | null, size = sizeOf(what)): Submit {
    const future = this.#hands.submit(what);
    const submit: Submit = {
      id: future.id,
      size,
      key,
      sentAt: sharedMs(),
      ackedAt: null,
      ackedId: null,
      error: null,
      told: null,
      acknowledged: Promise.resolve(),
    };
    this.submits.push(submit);
    this.#submitted += size;
    this.#unacknowledged += size;
    const acknowledged = this.#acknowledge(submit, future).finally(() => {
      this.#unacknowledged -= size;
      // Another takes its place.
      if (submit.ackedId !== submit.id) this.#submitted -= size;
      this.#open.delete(acknowledged);
    });
    submit.acknowledged = acknowledged;
    this.#open.add(acknowledged);
    if (this.submits.length % awaitedOneIn === 0) this.#await(submit, future);
    return submit;
  }

  async #acknowledge(submit: Submit, future: Future<Made>): Promise<void> {
    try {
      submit.ackedId = await future.submitted;
      submit.ackedAt = sharedMs();
      this.#acknowledged(submit.ackedId);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) submit.error = String(error);
    }
  }

  #await(submit: Submit, future: Future<Made>): void {
    const awaited = this.#result(submit, future).finally(() => this.#awaited.delete(awaited));
    this.#awaited.set(awaited, submit);
  }

  /** A future fails with the store; another one for the same job goes on from there. */
  async #result(submit: Submit, first: Future<unknown>): Promise<void> {
    let future = first;
    for (;;) {
      try {
        submit.told = { token: ((await future) as Made).token };
        return;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) {
          submit.told = { error: error instanceof ManyhandsError ? error.code : String(error) };
          return;
        }
        await Promise.allSettled([first.submitted]);
        if (submit.ackedId === null) return;
        future = this.#hands.job(submit.ackedId);
      }
    }
  }
}

function sizeOf(what: Call<unknown>): number {
  const parts = what.args[1];
  return Array.isArray(parts) ? parts.reduce<number>((sum, part: Call<unknown>) => sum + sizeOf(part), 1) : 1;
}
