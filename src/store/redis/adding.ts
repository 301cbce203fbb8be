// Submits on their way to the server. Those asked for on one turn of the event loop are sent together, as one script call in
// which each is refused or done by itself: a hundred small submits cost the server one call instead of a hundred.
import type { StoreError } from "../../core/errors.ts";
import { takenId, unknownDependency } from "../arrival.ts";
import type { NewJob } from "../job.ts";
import type { Added } from "../store.ts";
import type { Bonds } from "./bonds.ts";
import { bondsOf } from "./bonds.ts";
import { separator, textOf, toField } from "./field.ts";
import { dependenciesField, kindName, rankOf, submittedTail, submittedText } from "./text.ts";

/** One call of `Store.add`. */
export interface Submit {
  readonly jobs: readonly NewJob[];
  readonly now: number;
  readonly resolve: (added: readonly Added[]) => void;
  readonly reject: (error: Error) => void;
}

/** What the script answers: refused calls, jobs that were not added, what happened. */
export type AddReply = readonly [refusals: readonly string[], others: readonly string[], events: string];

/** Sends submits; settles none of them. */
export type SendSubmits = (plain: boolean, args: string[], submits: readonly Submit[]) => void;

function isAlike(job: NewJob, other: NewJob): boolean {
  return job.queue === other.queue && job.task === other.task && job.priority === other.priority && job.keepMs === other.keepMs;
}

/** The arguments of `addPlain` after those that both scripts have. */
function plainArguments(submits: readonly Submit[], { edges, roots, above }: Bonds): string[] {
  const runs: [kind: string, rank: string, keepMs: number, above: string, count: number][] = [];
  const pairs: string[] = [];
  let last: NewJob | undefined;
  let place = 0;
  for (const { jobs, now } of submits) {
    for (const job of jobs) {
      const run = runs.at(-1);
      const needing = above[place] ?? "";
      if (run && last && run[3] === needing && isAlike(job, last)) run[4] += 1;
      else runs.push([kindName(job.queue, job.task), rankOf(job.priority), job.keepMs, needing, 1]);
      last = job;
      place += 1;
      pairs.push(toField(job.id), submittedTail(job, now));
    }
  }
  const sizes = submits.map(({ jobs }) => jobs.length).join(" ");
  return [sizes, edges, roots, String(runs.length), ...runs.flat().map(String), ...pairs];
}

/** The same of `add`. */
export function anyArguments(submits: readonly Submit[]): string[] {
  return submits.flatMap(({ jobs, now }) => [
    String(now),
    String(jobs.length),
    ...jobs.flatMap((job) => [toField(job.id), kindName(job.queue, job.task), submittedText(job, now), dependenciesField(job)]),
  ]);
}

function refusalError(refusal: string): StoreError {
  const [, what, rest = ""] = /^(\S+) ([^]*)$/u.exec(refusal) ?? [];
  if (what === "id") return takenId(textOf(rest));
  const [id, missing] = rest.split(separator).map(textOf);
  return unknownDependency(id ?? "", missing ?? "");
}

/** True when nothing was added because the record that it depended on had another text. */
export function isOtherwise([refusals]: AddReply): boolean {
  return refusals[0] === "0 differs";
}

/** Settles submits by the script's answer. */
export function settleSubmits(submits: readonly Submit[], [refusals, others]: AddReply): void {
  const numbered = (texts: readonly string[]): [number, string][] =>
    texts.map((text) => [Number.parseInt(text, 10), text.slice(text.indexOf(" ") + 1)]);
  const refused = new Map(numbered(refusals));
  const existing = new Map<number, Map<string, string>>();
  for (const [index, text] of numbered(others)) {
    const [id, other] = text.split(separator).map(textOf);
    const found = existing.get(index);
    if (found) found.set(id ?? "", other ?? "");
    else existing.set(index, new Map([[id ?? "", other ?? ""]]));
  }
  for (const [index, { jobs, resolve, reject }] of submits.entries()) {
    const refusal = refused.get(index);
    const elsewhere = existing.get(index);
    if (refusal !== undefined) reject(refusalError(refusal));
    else resolve(jobs.map(({ id }) => ({ id, existing: elsewhere?.get(id) ?? null })));
  }
}

/** A batch of this size gains nothing by waiting for others. */
const largeBatch = 100;

/** Collects the submits of one turn. */
export class Adding {
  readonly #send: SendSubmits;
  #waiting: Submit[] = [];

  constructor(send: SendSubmits) {
    this.#send = send;
  }

  add(jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Added[]>();
    this.#waiting.push({ jobs, now, resolve, reject });
    // Whoever submits has gathered a turn of the event loop already; those of one turn are still sent together.
    if (jobs.length >= largeBatch) this.flush();
    else if (this.#waiting.length === 1) queueMicrotask(() => this.flush());
    return promise;
  }

  /** Sends what is waiting: before any other verb, so that all take effect in the order of the calls. */
  flush(): void {
    const submits = this.#waiting;
    if (submits.length === 0) return;
    this.#waiting = [];
    const bonds = bondsOf(submits.map(({ jobs }) => jobs));
    this.#send(bonds !== undefined, bonds ? plainArguments(submits, bonds) : anyArguments(submits), submits);
  }
}
