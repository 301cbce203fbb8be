// A store as a fleet with middleware that seals sees it: every text that goes in is sealed, every text that comes out is open. All of a
// fleet's texts cross the store's contract, so this is the one place where that is done; what a worker hands to threads and processes is
// plain. `get` and `list` give texts as they are stored, since most who ask want to know other things, and to open may take a download;
// `reveal` opens them. `dump` and `load` do too: a copy of a store is as sealed as the store.
import { SealError, StoreError } from "../../core/errors.ts";
import type { ClaimedJob, Ended, Input, Job, NewJob, NewRecord, Outcome, StoredRecord } from "../../store/job.ts";
import type { PastAttempt } from "../../store/machine.ts";
import { cancelSignal, retriedRecord } from "../../store/machine.ts";
import type { Settled, Store } from "../../store/store.ts";
import { isThenable } from "../../core/thenable.ts";
import { isSealed, unopened } from "../../task/sealed.ts";
import { encodeThrown } from "../../task/thrown.ts";
import { Line } from "./line.ts";
import type { Seals, Soon, Text } from "./seals.ts";
import { allOf, whenThere } from "./seals.ts";

/** The texts of a job that are sealed. */
export type JobText = "args" | "result" | "error" | "progress";

/** Opens texts of jobs that `get` or `list` gave. One that cannot be opened, also only now, says why where it is decoded. */
export type Reveal = (jobs: readonly Job[], texts?: readonly JobText[]) => Promise<readonly Job[]>;

/** A store whose texts are sealed, and what opens those that it gives as they are. */
export interface SealedStore {
  readonly store: Store;
  readonly reveal: Reveal;
}

const attemptPrefix = "attempt/";
const allTexts: readonly JobText[] = ["args", "result", "error", "progress"];
/** A lease must not be lost because something is being sealed; the others give or change nothing that is stored. */
const unordered: ReadonlySet<string | symbol> = new Set(["now", "watch", "renew", "reconnect"]);

type Verb = (...args: unknown[]) => Promise<unknown>;
type Verbs = Pick<
  Store,
  "add" | "addIn" | "addIf" | "settle" | "inputs" | "write" | "records" | "endings" | "change" | "tend" | "note"
>;

// Every verb that seals is an async function: what middleware throws at once is a rejection like any other.
class Sealing implements Verbs {
  readonly #store: Store;
  readonly #seals: Seals;
  readonly #line: Line;
  #lastIf: Promise<unknown> = Promise.resolve();

  constructor(store: Store, seals: Seals, line: Line) {
    this.#store = store;
    this.#seals = seals;
    this.#line = line;
  }

  add: Store["add"] = async (jobs, now) => this.#line.make(this.#sealJobs(jobs), (sealed) => this.#store.add(sealed, now));

  addIn: Store["addIn"] = async (tx, jobs, now) =>
    this.#line.make(this.#sealJobs(jobs), (sealed) => this.#store.addIn(tx, sealed, now));

  // No two seals of a text are alike: what is compared is the text that stands there, if it opens to what was to be found.
  // One after another, since each looks before it asks.
  addIf: Store["addIf"] = (record, jobs, now) => {
    const added = this.#lastIf.then(() => this.#addIf(record, jobs, now));
    this.#lastIf = added.catch(() => undefined);
    return added;
  };

  #addIf: Store["addIf"] = ({ name, from, to }, jobs, now) => {
    const about: Text = { kind: "record", job: "", name };
    const sealed = Promise.all([this.#sealJobs(jobs), to === null ? null : this.#seals.seal(to, about)]);
    return this.#line.make(sealed, async ([jobs, to]) => {
      if (from === null) return this.#store.addIf({ name, from, to }, jobs, now);
      const [found] = await this.#store.records("", name, 1);
      if (found?.name !== name || (await this.#seals.open(found.text, about)) !== from) return null;
      return this.#store.addIf({ name, from: found.text, to }, jobs, now);
    });
  };

  settle: Store["settle"] = async (worker, outcomes, wants, now) => {
    const altered: string[] = [];
    const sealed = allOf(outcomes.map((outcome) => this.#sealOutcome(outcome, altered)));
    const settled = await this.#line.make(sealed, (sealed) => this.#store.settle(worker, sealed, wants, now));
    if (settled.claimed.length + settled.ended.length + altered.length === 0) return settled;
    const others = altered.length === 0 ? [] : await this.#store.endings(altered);
    return this.#openSettled({ ...settled, ended: [...settled.ended, ...others] });
  };

  inputs: Store["inputs"] = async (ids) => {
    const inputs = await this.#line.make(undefined, () => this.#store.inputs(ids));
    return allOf(inputs.map((all) => allOf(all.map((input) => this.#openInput(input)))));
  };

  write: Store["write"] = async (records, now) => {
    const sealed = allOf(records.map((record) => this.#sealRecord(record)));
    return this.#line.make(sealed, (sealed) => this.#store.write(sealed, now));
  };

  records: Store["records"] = async (job, prefix, limit, after) => {
    const records = await this.#line.make(undefined, () => this.#store.records(job, prefix, limit, after));
    return allOf(records.map((record) => this.#openRecord(job, record)));
  };

  endings: Store["endings"] = async (ids) => {
    const ended = await this.#line.make(undefined, () => this.#store.endings(ids));
    return allOf(ended.map((each) => this.#openEnded(each)));
  };

  change: Store["change"] = async (filter, changes, now) => {
    const { call } = changes;
    if (!call) return this.#line.make(undefined, () => this.#store.change(filter, changes, now));
    const args = this.#seals.seal(call.args, { kind: "args", job: filter.ids?.[0] ?? "" });
    return this.#line.make(args, (args) => this.#store.change(filter, { ...changes, call: { ...call, args } }, now));
  };

  tend: Store["tend"] = async (now, limit) => {
    const tended = await this.#line.make(undefined, () => this.#store.tend(now, limit));
    if (tended.ended.length === 0) return tended;
    return { ...tended, ended: await allOf(tended.ended.map((each) => this.#openEnded(each))) };
  };

  note: Store["note"] = async (worker, progress) => {
    const sealed = allOf(
      progress.map(([id, fence, text]) =>
        whenThere(this.#seals.seal(text, { kind: "progress", job: id }), (text) => [id, fence, text] as const),
      ),
    );
    return this.#line.make(sealed, (sealed) => this.#store.note(worker, sealed));
  };

  reveal: Reveal = async (jobs, texts = allTexts) => Promise.all(jobs.map((job) => this.#revealed(job, texts)));

  #sealJobs(jobs: readonly NewJob[]): Soon<readonly NewJob[]> {
    return allOf(
      jobs.map((job) => {
        const unique = job.unique && { ...job.unique, key: this.#seals.conceal(job.unique.key) };
        return whenThere(this.#seals.seal(job.args, { kind: "args", job: job.id }), (args) => ({ ...job, args, unique }));
      }),
    );
  }

  /** A text at fault fails its job, which is then one of the `altered`; a store at fault lets the worker try again. */
  #sealOutcome(outcome: Outcome, altered: string[]): Soon<Outcome> {
    const { id, fence } = outcome;
    const failed = (error: unknown): Soon<Outcome> => {
      if (error instanceof StoreError || altered.includes(id)) throw error;
      altered.push(id);
      const why = new SealError(`What job ${id} came to cannot be stored: ${String(error)}`, { cause: error });
      return this.#sealOutcome({ id, fence, kind: "failed", error: encodeThrown(why) }, altered);
    };
    try {
      const sealed = this.#sealText(outcome);
      return isThenable(sealed) ? sealed.then(undefined, failed) : sealed;
    } catch (error) {
      return failed(error);
    }
  }

  #sealText(outcome: Outcome): Soon<Outcome> {
    const job = outcome.id;
    if (outcome.kind === "done") {
      return whenThere(this.#seals.seal(outcome.result, { kind: "result", job }), (result) => ({ ...outcome, result }));
    }
    if (!("error" in outcome)) return outcome;
    return whenThere(this.#seals.seal(outcome.error, { kind: "error", job }), (error) => ({ ...outcome, error }));
  }

  #sealRecord(record: NewRecord): Soon<NewRecord> {
    const { job, name, text } = record;
    if (text === null) return record;
    return whenThere(this.#seals.seal(text, { kind: "record", job, name }), (text) => ({ ...record, text }));
  }

  #openSettled(settled: Settled): Promise<Settled> {
    const claimed = settled.claimed.map((job) => this.#openClaimed(job));
    const ended = settled.ended.map((each) => this.#openEnded(each));
    return Promise.all([allOf(claimed), allOf(ended)]).then(([claimed, ended]) => ({ ...settled, claimed, ended }));
  }

  #openClaimed(job: ClaimedJob): Soon<ClaimedJob> {
    const args = this.#seals.open(job.args, { kind: "args", job: job.id });
    if (!job.inputs) return whenThere(args, (args) => ({ ...job, args }));
    const inputs = allOf(job.inputs.map((input) => this.#openInput(input)));
    return Promise.all([args, inputs]).then(([args, inputs]) => ({ ...job, args, inputs }));
  }

  #openInput(input: Input): Soon<Input> {
    // A store does not say whose result it is.
    return typeof input === "string" ? this.#seals.open(input, { kind: "result", job: undefined }) : this.#openEnded(input);
  }

  #openEnded(ended: Ended): Soon<Ended> {
    const { id, result, error } = ended;
    if (result !== null)
      return whenThere(this.#seals.open(result, { kind: "result", job: id }), (result) => ({ ...ended, result }));
    if (error !== null) return whenThere(this.#seals.open(error, { kind: "error", job: id }), (error) => ({ ...ended, error }));
    return ended;
  }

  #openRecord(job: string, record: StoredRecord): Soon<StoredRecord> {
    const { name, text } = record;
    // These a store writes itself.
    if ((name === cancelSignal || name === retriedRecord) && !isSealed(text)) return record;
    if (name.startsWith(attemptPrefix) && !isSealed(text)) return this.#openPast(job, record);
    return whenThere(this.#seals.open(text, { kind: "record", job, name }), (text) => ({ name, text }));
  }

  /** A store copies the error of a past attempt into a record of its own making. */
  #openPast(job: string, { name, text }: StoredRecord): Soon<StoredRecord> {
    const past = JSON.parse(text) as PastAttempt;
    const error = past[4];
    if (error === null) return { name, text };
    return whenThere(this.#seals.open(error, { kind: "error", job }), (error) => ({
      name,
      text: JSON.stringify(past.with(4, error)),
    }));
  }

  async #revealed(job: Job, texts: readonly JobText[]): Promise<Job> {
    const opened = texts.map(async (kind) => {
      const text = job[kind];
      return [kind, text === null ? null : await this.#shown(text, { kind, job: job.id })] as const;
    });
    return { ...job, ...Object.fromEntries(await Promise.all(opened)) };
  }

  /** For people who look at jobs, one that cannot be opened now must not hide the others. */
  async #shown(text: string, about: Text): Promise<string> {
    try {
      return await this.#seals.open(text, about);
    } catch (error) {
      return unopened(error instanceof Error ? error.message : String(error));
    }
  }
}

/** The store with its texts sealed and opened. */
export function sealedStore(store: Store, seals: Seals): SealedStore {
  const line = new Line();
  const { reveal, ...sealing } = new Sealing(store, seals, line);
  const verbs = new Map<string | symbol, unknown>(Object.entries(sealing));
  const verbOf = (key: string | symbol, member: Verb): Verb => {
    const verb: Verb = member.bind(store);
    return unordered.has(key) ? verb : (...args) => line.make(undefined, () => verb(...args));
  };
  const sealed = new Proxy(store, {
    get: (_, key): unknown => {
      const verb = verbs.get(key);
      if (verb) return verb;
      const member: unknown = Reflect.get(store, key, store);
      if (typeof member === "function") verbs.set(key, verbOf(key, member as Verb));
      return verbs.get(key) ?? member;
    },
  });
  return { store: sealed, reveal };
}
