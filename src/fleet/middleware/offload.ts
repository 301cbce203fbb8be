// Middleware that keeps large texts outside the store. Such a text is written to the depot first and stored after that, as a reference:
// `<name>:<SHA-256 in base64url>`. So whatever is referred to is there, and is what was written.
//
// What nothing refers to any more is deleted with its job: an upkeep looks, about once an hour, for texts of jobs that are not stored any more. A text is
// written before its job is, so a young one is left alone; and since no name is used twice, one that was seen to belong to no job
// never will. Texts of a job that is stored all stay, also those of attempts whose outcome was refused.
import { createHash } from "node:crypto";
import type { Duration } from "../../core/durations.ts";
import { toMs } from "../../core/durations.ts";
import { SealError, StoreError, StoreUnavailable, UsageError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { show } from "../../core/show.ts";
import type { Size } from "../../core/sizes.ts";
import { toBytes } from "../../core/sizes.ts";
import { checkOptions } from "../../core/suggest.ts";
import type { Depot, DepotEntry } from "./depot.ts";
import { depotName, readDepotName } from "./depot.ts";
import type { About, FleetFacts, Middleware } from "./middleware.ts";

/** What is kept outside the store, and where. */
export interface OffloadOptions {
  /** Texts of more bytes than this, such as `"256kB"`. */
  readonly over: Size;
  /** `folder("/shared/path")` or `s3({ bucket })`. */
  readonly to: Depot;
  /**
   * How long a text that belongs to no stored job is left alone: longer than a submit can take, or a transaction of yours it
   * is a part of. Default `"1d"`.
   */
  readonly unusedFor?: Duration;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url");
}

class Offload {
  readonly #depot: Depot;
  readonly #overBytes: number;
  readonly #unusedMs: number;

  constructor({ over, to, unusedFor = "1d" }: OffloadOptions) {
    this.#depot = to;
    this.#overBytes = toBytes(over, "offload() over");
    this.#unusedMs = toMs(unusedFor, "offload() unusedFor");
  }

  // The store's own records belong to no job that could end.
  seal(text: string, { kind, job, store }: About): string | Promise<string> {
    if (!job || Buffer.byteLength(text) <= this.#overBytes) return text;
    const name = depotName({ store, job, kind }, systemRuntime.id());
    return name === undefined ? text : this.#write(name, Buffer.from(text));
  }

  async open(reference: string, about: About): Promise<string> {
    const [name = "", digest] = reference.split(":");
    const parts = readDepotName(name);
    if (!parts || parts.kind !== about.kind || (about.job !== undefined && about.job !== parts.job)) {
      throw new SealError("The reference to a large text is damaged, or belongs to another job: it is refused.");
    }
    const bytes = await this.#reached("read from", () => this.#depot.read(name, parts.store === about.store ? about.store : ""));
    const where = `The large text ${show(name)} in ${this.#depot.place}`;
    if (!bytes) throw new SealError(`${where} is gone: it was deleted with its job, or by someone else.`);
    if (digestOf(bytes) !== digest) throw new SealError(`${where} is not what was written: it is refused.`);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  }

  async tend(fleet: FleetFacts): Promise<void> {
    const before = systemRuntime.now() - this.#unusedMs;
    for await (const page of this.#depot.list(fleet.store)) {
      if (fleet.signal.aborted) return;
      await this.#sweep(
        page.filter(({ writtenAt }) => writtenAt < before),
        fleet,
      );
    }
  }

  async #sweep(old: readonly DepotEntry[], fleet: FleetFacts): Promise<void> {
    const jobOf = ({ name }: DepotEntry): string | undefined => readDepotName(name.replace(/\.part$/, ""))?.job;
    const jobs = new Set(old.map(jobOf).filter((job) => job !== undefined));
    if (jobs.size === 0) return;
    const stored = await fleet.stored([...jobs]);
    for (const entry of old) {
      const job = jobOf(entry);
      // What nobody here has written is nothing to delete.
      if (job !== undefined && !stored.has(job)) await this.#depot.remove(entry.name);
    }
  }

  async #write(name: string, text: Buffer): Promise<string> {
    await this.#reached("written to", () => this.#depot.write(name, text));
    return `${name}:${digestOf(text)}`;
  }

  async #reached<T>(what: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof StoreError || error instanceof UsageError) throw error;
      throw new StoreUnavailable(`A large text cannot be ${what} ${this.#depot.place}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

/**
 * Middleware that keeps arguments, results, errors, steps and signals of more than `over` bytes outside the store, which then holds a reference:
 * a store with large texts is slow. The 16 MiB that one text may have stay the limit. A submit is acknowledged when its large texts are safe. With
 * `encryption()`, put that first.
 *
 * @example
 * connect(url, { use: [offload({ over: "256kB", to: folder("/mnt/shared/jobs") })] });
 */
export function offload(options: OffloadOptions): Middleware {
  checkOptions(options ?? null, ["over", "to", "unusedFor"], "offload()");
  const { to } = options;
  if (typeof to?.write !== "function" || typeof to.list !== "function") {
    throw new UsageError(`offload() to must be folder(path) or s3({ bucket }), found ${show(to)}.`);
  }
  const kept = new Offload(options);
  return {
    name: "offload",
    seal: (text, about) => kept.seal(text, about),
    open: (reference, about) => kept.open(reference, about),
    tend: (fleet) => kept.tend(fleet),
  };
}
