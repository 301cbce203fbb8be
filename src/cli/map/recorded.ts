// What an earlier, interrupted run of the same map has recorded. An input is matched with a recorded job by its stored arguments;
// inputs that occur twice are matched one by one. The jobs are read a page at a time, oldest first, as inputs ask for them: when
// the inputs come in the same order as before, only the page around the place is in memory, whatever the number of jobs. Inputs in
// another order make it read ahead, at worst to the end; it then holds a key and an id for each job, never a result.
import { hash } from "node:crypto";
import type { Runtime } from "../../core/runtime.ts";
import type { Hands } from "../../fleet/hands.ts";
import { plan } from "../../fleet/plan.ts";
import type { Call } from "../../task/call.ts";
import { encode } from "../../task/codec.ts";
import { checkOpened, pagesOf } from "./pages.ts";

// A page is read with its results, which may be large.
const pageJobs = 100;

function keyOf(encodedArgs: string): string {
  return hash("sha1", encodedArgs, "base64url");
}

/** Thousands of pages in a row must not keep a signal or the lease from being heard. */
function nextTurn(runtime: Runtime): Promise<void> {
  return new Promise((resolve) => runtime.defer(resolve));
}

/** Results recorded by earlier runs, each given out once. */
export class Recorded {
  /** How many there were. */
  readonly count: number;
  readonly #hands: Hands;
  readonly #runtime: Runtime;
  readonly #queue: string;
  /** Where the pages not read yet begin: the id each is listed before. The last one is the oldest page. */
  readonly #pages: string[];
  readonly #ids = new Map<string, string[]>();

  private constructor(hands: Hands, runtime: Runtime, queue: string, pages: string[], count: number) {
    this.#hands = hands;
    this.#runtime = runtime;
    this.#queue = queue;
    this.#pages = pages;
    this.count = count;
  }

  /**
   * Looks through what the queue holds of results. Jobs submitted after this are not among them. Rejects with a SealError when some cannot be
   * opened.
   */
  static async open(hands: Hands, runtime: Runtime, queue: string): Promise<Recorded> {
    const filter = { queue, states: ["done"] as const };
    const count = await hands.count(filter);
    const pages: string[] = [];
    // No job submitted later sorts before this id.
    let before = count === 0 ? undefined : runtime.id();
    while (before !== undefined) {
      const jobs = await hands.jobs({ ...filter, limit: pageJobs, before });
      checkOpened(jobs);
      if (jobs.length > 0) pages.push(before);
      before = jobs.length < pageJobs ? undefined : jobs.at(-1)?.id;
      await nextTurn(runtime);
    }
    return new Recorded(hands, runtime, queue, pages, count);
  }

  /** The id of a job that has done this very call, or undefined. */
  async take(call: Call<unknown>): Promise<string | undefined> {
    if (this.#pages.length === 0 && this.#ids.size === 0) return undefined;
    // The plan of a submit knows the arguments as they would be stored, after the task's schema has seen them.
    const key = keyOf(plan(call, this.#runtime, 0).root.args);
    let ids = this.#ids.get(key);
    while (ids === undefined && this.#pages.length > 0) {
      await this.#readPage();
      ids = this.#ids.get(key);
    }
    const id = ids?.shift();
    if (ids?.length === 0) this.#ids.delete(key);
    return id;
  }

  /** The ids of jobs that no input asked for. */
  async rest(): Promise<readonly string[]> {
    while (this.#pages.length > 0) await this.#readPage();
    return [...this.#ids.values()].flat();
  }

  /** Deletes everything but these jobs. */
  async removeAllBut(kept: readonly string[]): Promise<void> {
    if (kept.length === 0) {
      await this.#hands.remove({ queue: this.#queue });
      return;
    }
    const keep = new Set(kept);
    for await (const jobs of pagesOf(this.#hands, { queue: this.#queue }, pageJobs)) {
      await this.#hands.remove({ ids: jobs.map(({ id }) => id).filter((id) => !keep.has(id)) });
    }
  }

  async #readPage(): Promise<void> {
    const before = this.#pages.pop();
    if (before === undefined) return;
    await nextTurn(this.#runtime);
    const jobs = await this.#hands.jobs({ queue: this.#queue, states: ["done"], limit: pageJobs, before });
    checkOpened(jobs);
    for (const { id, args, problem } of jobs.toReversed()) {
      // What cannot be read matches nothing; it is dropped with the others that no input asked for.
      const key = problem === undefined ? keyOf(encode(args, "args")) : `? ${id}`;
      const ids = this.#ids.get(key);
      if (ids) ids.push(id);
      else this.#ids.set(key, [id]);
    }
  }
}
