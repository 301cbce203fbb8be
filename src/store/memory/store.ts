// The memory store: the reference for what the contract means, what `simulate` runs on, and `connect("memory:")`. Every verb
// does all its work in one go when it is called, so it is atomic; it decides before it moves anything, so it can be refused
// but not fail half-way. It keeps nothing beyond the process, and no other process or thread can reach it.
import { ClosedError, StoreError, UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { JobState } from "../../task/state.ts";
import { isFinal, jobStates } from "../../task/state.ts";
import { arrivals, takenId } from "../arrival.ts";
import type { Claim, Ended, Input, Job, NewJob, NewRecord, Outcome, StoredJob, StoredRecord } from "../job.ts";
import type { Renewal } from "../lease.ts";
import { isHeld, signalPrefix } from "../machine.ts";
import type {
  Added,
  Cancelled,
  Changes,
  Dump,
  EventPage,
  JobFilter,
  NewWorker,
  Page,
  QueueStats,
  ReadyLine,
  Settled,
  Store,
  StoredGate,
  StoredWorker,
  StoreEvent,
  StoreListener,
  StoreInfo,
  Tended,
  Want,
} from "../store.ts";
import type { Member } from "./book.ts";
import { Book } from "./book.ts";
import { cancel, change, remove, retry } from "./change.ts";
import { Events } from "./events.ts";
import type { Row } from "./row.ts";
import { next } from "./claim.ts";
import { toEnded, toJob } from "./row.ts";
import { select } from "./select.ts";
import { settle, takeBack } from "./settle.ts";
import { tend } from "./tend.ts";
import { dump, load } from "./whole.ts";

class MemoryStore implements Store {
  readonly leaseUrl: null = null;
  readonly tendMs: number = 500;
  readonly settlesAtOnce: number = 1;
  readonly #book: Book;
  readonly #runtime: Runtime;
  readonly #listeners = new Set<StoreListener>();
  #toTell = new Set<StoreEvent>();
  #closed = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#book = new Book(new Events(() => runtime.now()));
  }

  /** Runs a verb at once; its promise is settled already when the caller gets it. */
  async #verb<T>(run: (book: Book) => T): Promise<T> {
    this.#checkOpen();
    const result = run(this.#book);
    this.#tell(this.#book.takeNews());
    return result;
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError("The memory store is closed. Open another; what was in this one is gone.");
  }

  now(): number {
    return this.#runtime.now();
  }

  add(jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
    return this.#verb((book) => add(book, jobs, now));
  }

  addIf(
    { name, from, to }: Parameters<Store["addIf"]>[0],
    jobs: readonly NewJob[],
    now: number,
  ): Promise<readonly Added[] | null> {
    return this.#verb((book) => {
      if (book.records.get("", name) !== from) return null;
      const added = add(book, jobs, now);
      book.records.set("", name, to);
      book.tellWritten("");
      return added;
    });
  }

  async addIn(): Promise<readonly Added[]> {
    throw new UsageError("A memory store has no transactions: submit without tx.");
  }

  settle(worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number): Promise<Settled> {
    return this.#verb((book) => settle(book, worker, outcomes, wants, now));
  }

  inputs(ids: readonly string[]): Promise<readonly (readonly Input[])[]> {
    return this.#verb((book) => ids.map((id) => inputsOf(book, id)));
  }

  awaited(id: string, limit: number): Promise<readonly string[]> {
    return this.#verb(({ rows }) => {
      const live = (rows.get(id)?.dependsOn ?? []).filter(({ job, removed }) => !removed && !isFinal(job.state));
      return [...new Set(live.map(({ job }) => job.id))].slice(0, limit);
    });
  }

  write(records: readonly NewRecord[], now: number): Promise<readonly boolean[]> {
    return this.#verb((book) => {
      const written = records.map((record) => write(book, record, now));
      book.openGates(now);
      return written;
    });
  }

  records(job: string, prefix: string, limit: number, after?: string): Promise<readonly StoredRecord[]> {
    return this.#verb(({ records }) => {
      const rest = records.list(job, prefix).filter(({ name }) => after === undefined || name > after);
      return rest.slice(0, limit);
    });
  }

  suspend(worker: string, jobs: readonly (readonly [id: string, fence: number, waits: string | null])[]): Promise<void> {
    return this.#verb((book) => {
      for (const [id, fence, waits] of jobs) {
        const row = book.rows.get(id);
        if (row && holds(row.job, worker, fence)) book.suspend(row, waits);
      }
    });
  }

  next(queues: readonly string[], tasks: readonly string[]): Promise<string | null> {
    return this.#verb((book) => next(book, queues, tasks));
  }

  get(ids: readonly string[]): Promise<readonly Job[]> {
    return this.#verb((book) => select(book, { ids }).map(toJob));
  }

  endings(ids: readonly string[]): Promise<readonly Ended[]> {
    return this.#verb((book) => {
      const rows = ids.flatMap((id) => book.rows.get(id) ?? []);
      return rows.filter(({ job }) => isFinal(job.state)).map(toEnded);
    });
  }

  list(filter: JobFilter, page: Page): Promise<readonly Job[]> {
    return this.#verb((book) => {
      const { before, limit } = page;
      const start = before === undefined ? undefined : book.rows.get(before);
      const isEarlier = ({ seq, job }: Row): boolean => before === undefined || (start ? seq < start.seq : job.id < before);
      return select(book, filter).filter(isEarlier).toReversed().slice(0, limit).map(toJob);
    });
  }

  count(filter: JobFilter): Promise<number> {
    return this.#verb((book) => select(book, filter).length);
  }

  cancel(filter: JobFilter, reason: string | null, now: number): Promise<Cancelled> {
    return this.#verb((book) => opened(book, now, cancel(book, filter, reason, now)));
  }

  retry(filter: JobFilter, now: number): Promise<readonly string[]> {
    return this.#verb((book) => opened(book, now, retry(book, filter, now)));
  }

  change(filter: JobFilter, changes: Changes, now: number): Promise<readonly string[]> {
    return this.#verb((book) => opened(book, now, change(book, filter, changes, now)));
  }

  remove(filter: JobFilter): Promise<number> {
    return this.#verb((book) => remove(book, filter));
  }

  tend(now: number, limit: number): Promise<Tended> {
    return this.#verb((book) => tend(book, now, limit));
  }

  join(worker: NewWorker, leaseUntil: number): Promise<void> {
    return this.#verb((book) => {
      const running = book.members.get(worker.id)?.running ?? new Set();
      book.members.set(worker.id, { worker, leaseUntil, draining: false, running });
    });
  }

  renew(worker: string, leaseUntil: number): Promise<Renewal> {
    return this.#verb((book) => {
      const member = book.members.get(worker);
      if (!member) return { alive: false, cancels: [], drain: false };
      member.leaseUntil = leaseUntil;
      const wished = [...member.running].filter(({ job }) => job.cancelAt !== null);
      const cancels = wished.sort((a, b) => a.seq - b.seq).map(({ job }) => job.id);
      return { alive: true, cancels, drain: member.draining };
    });
  }

  drain(worker: string): Promise<boolean> {
    return this.#verb((book) => {
      const member = book.members.get(worker);
      if (member) member.draining = true;
      return member !== undefined;
    });
  }

  pause(queue: string, paused: boolean): Promise<void> {
    return this.#verb((book) => {
      if (paused) book.paused.add(queue);
      else book.resume(queue);
    });
  }

  leave(worker: string, now: number): Promise<void> {
    return this.#verb((book) => {
      takeBack(book, book.members.get(worker)?.running ?? [], "released", now);
      book.members.delete(worker);
      book.openGates(now);
    });
  }

  releaseOthers(worker: string, held: readonly Claim[], now: number): Promise<number> {
    return this.#verb((book) => {
      const isHeld = ({ job }: Row): boolean => held.some(({ id, fence }) => id === job.id && fence === job.fence);
      const others = [...(book.members.get(worker)?.running ?? [])].filter((row) => !isHeld(row));
      takeBack(book, others, "released", now);
      return opened(book, now, others.length);
    });
  }

  note(worker: string, progress: readonly (readonly [id: string, fence: number, text: string])[]): Promise<void> {
    return this.#verb((book) => {
      for (const [id, fence, text] of progress) {
        const job = book.rows.get(id)?.job;
        if (job && holds(job, worker, fence)) job.progress = text;
      }
    });
  }

  workers(): Promise<readonly StoredWorker[]> {
    return this.#verb(({ members }) => [...members.values()].map(toStored).sort((a, b) => (a.id < b.id ? -1 : 1)));
  }

  queues(): Promise<readonly QueueStats[]> {
    return this.#verb(({ rows, paused }) => {
      const queues = new Map<string, Record<JobState, number>>([...paused].map((queue) => [queue, noJobs()]));
      const heads = new Map<string, Row>();
      for (const row of rows.values()) {
        const { job } = row;
        let counts = queues.get(job.queue);
        if (!counts) queues.set(job.queue, (counts = noJobs()));
        counts[job.state] += 1;
        const line = `${job.queue}\n${job.priority}\n${job.task}`;
        if (job.state === "ready" && row.age < (heads.get(line)?.age ?? Infinity)) heads.set(line, row);
      }
      const oldest = new Map<string, number>();
      for (const { job } of heads.values()) {
        oldest.set(job.queue, Math.min(job.readyAt ?? Infinity, oldest.get(job.queue) ?? Infinity));
      }
      return [...queues]
        .map(([queue, counts]) => ({ queue, counts, paused: paused.has(queue), oldestReadyAt: oldest.get(queue) ?? null }))
        .sort((a, b) => (a.queue < b.queue ? -1 : 1));
    });
  }

  lines(limit: number): Promise<readonly ReadyLine[]> {
    return this.#verb((book) => [...book.lines()].slice(0, limit));
  }

  gates(names: readonly string[]): Promise<readonly StoredGate[]> {
    return this.#verb((book) => [...new Set(names)].flatMap((name) => book.gates.show(name, book.rows.values()) ?? []));
  }

  keepEvents(keepMs: number | null, ifNone: number = 0): Promise<number> {
    return this.#verb(({ events }) => events.keep(keepMs, ifNone));
  }

  events(after: string | null, limit: number): Promise<EventPage> {
    return this.#verb(({ events }) => events.read(after, limit));
  }

  dump(after: string | null, limit: number): Promise<Dump> {
    return this.#verb((book) => dump(book, after, limit));
  }

  load(jobs: readonly StoredJob[], now: number): Promise<number> {
    return this.#verb((book) => opened(book, now, load(book, jobs, now)));
  }

  info(): Promise<StoreInfo> {
    return this.#verb(({ rows }) => ({
      kind: "memory",
      location: "this process",
      engine: `Node ${process.version}`,
      schema: 1,
      jobs: rows.size,
      bytes: 0,
      problems: [],
      settings: {},
    }));
  }

  reconnect(): void {
    // There is no connection.
  }

  watch(listener: StoreListener): () => void {
    this.#checkOpen();
    const own: StoreListener = (event, elsewhere) => listener(event, elsewhere);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
  }

  /** Listeners are called on a later turn, once for all that happened on this one. */
  #tell(events: ReadonlySet<StoreEvent>): void {
    if (events.size === 0 || this.#listeners.size === 0) return;
    if (this.#toTell.size === 0) {
      this.#runtime.defer(() => {
        const told = this.#toTell;
        this.#toTell = new Set();
        // Several clients may share one memory store, and each is elsewhere to the others.
        for (const listener of this.#listeners) for (const event of told) listener(event, true);
      });
    }
    for (const event of events) this.#toTell.add(event);
  }
}

function toStored({ worker, leaseUntil, running }: Member): StoredWorker {
  return { ...worker, leaseUntil, running: running.size };
}

function noJobs(): Record<JobState, number> {
  return Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>;
}

function add(book: Book, jobs: readonly NewJob[], now: number): readonly Added[] {
  for (const { id } of jobs) if (book.rows.has(id)) throw takenId(id);
  const arrived = arrivals(jobs, now, {
    find: (id) => book.rows.get(id)?.job,
    holder: (key) => book.holders.get(key)?.job.id,
  });
  for (const each of arrived) if (each.existing === null) book.insert(each, now);
  book.openGates(now);
  return arrived.map(({ job, existing }) => ({ id: job.id, existing }));
}

/** What a verb gives, once those who can have passed their gates. */
function opened<T>(book: Book, now: number, given: T): T {
  book.openGates(now);
  return given;
}

function holds(job: Job, worker: string, fence: number): boolean {
  return isHeld(job) && job.worker === worker && job.fence === fence;
}

function write(book: Book, { job, name, text, claim, tell }: NewRecord, now: number): boolean {
  const row = book.rows.get(job);
  if (job !== "" && !row) return false;
  if (row && (claim ? !holds(row.job, claim.worker, claim.fence) : isFinal(row.job.state))) return false;
  book.records.set(job, name, text);
  if (tell) book.tellWritten(job);
  const wakes = row?.job.state === "waiting" && !isHeld(row.job) && name.startsWith(signalPrefix);
  if (wakes) book.promote(row, now);
  return true;
}

function inputsOf(book: Book, id: string): Input[] {
  const row = book.rows.get(id);
  if (!row) throw new StoreError(`The inputs of job "${id}" cannot be read: the job is not stored. It was removed or pruned.`);
  return row.dependsOn.map((below, place) => {
    const { job } = below;
    if (job.state === "done" && job.result !== null) return job.result;
    if (isFinal(job.state) && row.tolerant[place] === true && !below.removed) return toEnded(below);
    throw new StoreError(`The inputs of job "${id}" cannot be read: "${job.id}", which it depends on, is not done.`);
  });
}

/** A store in the memory of this process. It survives nothing and costs nothing to open. */
export function memoryStore(options: { readonly runtime?: Runtime } = {}): Store {
  return new MemoryStore(options.runtime ?? systemRuntime);
}
