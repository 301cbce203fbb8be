// The PostgreSQL store: jobs in a schema of a database that any number of programs on any number of machines share. This file only
// says which verb is done where, and what becomes of it when the connection is cut; the rules are in `store.ts` and `machine.ts` above,
// the layout in `schema.ts`, what must be fast in `functions.ts`, the order of the verbs in `line.ts`.
import { ClosedError, StoreLostError, UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { sleep, systemRuntime } from "../../core/runtime.ts";
import type { Claim, Ended, Input, Job, NewJob, NewRecord, Outcome, StoredJob, StoredRecord } from "../job.ts";
import type { Renewal } from "../lease.ts";
import { ServerClock } from "../network/clock.ts";
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
  StoreInfo,
  StoreListener,
  Tended,
  Want,
} from "../store.ts";
import { add, addIn } from "./add.ts";
import { addIf } from "./add-if.ts";
import { Bell } from "./bell.ts";
import { cancel } from "./cancel.ts";
import { change, remove, retry } from "./change.ts";
import type { Queryable } from "./client.ts";
import type { Connection, Session } from "./connection.ts";
import { eventsHeldUp, keepEvents, readEvents } from "./events.ts";
import { GivenOut } from "./given-out.ts";
import { gates } from "./gates.ts";
import type { Ground } from "./ground.ts";
import { Settles } from "./ground.ts";
import { info } from "./info.ts";
import { heldUpMs, Line } from "./line.ts";
import { Link } from "./link.ts";
import { load } from "./load.ts";
import { look, migrate, steps } from "./migrate.ts";
import { awaited, count, endings, get, inputs, lines, list, next, queues } from "./read.ts";
import { readRecords, writeRecords } from "./records.ts";
import { settle } from "./settle.ts";
import { Sweep } from "./sweep.ts";
import { idleTend, tend } from "./tend.ts";
import { quoted } from "./text.ts";
import { sessionOf } from "./transaction.ts";
import { openError } from "./trouble.ts";
import type { Place } from "./url.ts";
import { placeOf } from "./url.ts";
import { Watch } from "./watch.ts";
import { dump } from "./whole.ts";
import { drain, join, leave, note, pause, releaseOthers, renew, suspend, workers } from "./workers.ts";
import { lockNumber } from "./world.ts";

/** How a PostgreSQL store is opened. */
export interface PostgresOptions {
  /** Timers and randomness. Default: the real ones. */
  readonly runtime?: Runtime;
  /** How long a call waits for a server that cannot be reached before it is rejected, in ms. Default 30 s. */
  readonly unavailableAfterMs?: number;
}

/** A store on a PostgreSQL server. */
export class PostgresStore implements Store {
  readonly leaseUrl: string;
  readonly tendMs: number = 3000;
  readonly settlesAtOnce: number = 2;
  readonly #place: Place;
  readonly #runtime: Runtime;
  readonly #clock: ServerClock;
  readonly #link: Link;
  readonly #line: Line;
  readonly #watch: Watch;
  readonly #sweep: Sweep;
  readonly #ground: Ground;
  readonly #unavailableAfterMs: number;
  #name = "";
  #closing: Promise<void> | undefined;

  private constructor(url: string, runtime: Runtime, unavailableAfterMs: number) {
    this.leaseUrl = url;
    const place = (this.#place = placeOf(url));
    this.#runtime = runtime;
    this.#unavailableAfterMs = unavailableAfterMs;
    this.#clock = new ServerClock(runtime);
    this.#link = new Link({ place, runtime, unavailableAfterMs, prepare: (connection) => this.#prepare(connection) });
    this.#line = new Line({ link: this.#link, place, runtime, unavailableAfterMs });
    const bell = new Bell({
      runtime,
      channel: `manyhands ${lockNumber(`${place.schema} bell`)}`,
      tell: (bits) => this.#watch.tell(bits, false),
      notify: (payload) => this.#notify(payload),
    });
    this.#watch = new Watch({ place, runtime, channel: bell.channel, heard: (payload) => bell.heard(payload) });
    this.#sweep = new Sweep(place, runtime);
    this.#ground = {
      schema: quoted(place.schema),
      world: lockNumber(place.schema),
      bell,
      given: new GivenOut(),
      settles: new Settles(),
    };
  }

  /** See {@link postgresStore}. */
  static async open(
    url: string,
    { runtime = systemRuntime, unavailableAfterMs = 30_000 }: PostgresOptions,
  ): Promise<PostgresStore> {
    const store = new PostgresStore(url, runtime, unavailableAfterMs);
    try {
      await store.#link.open();
    } catch (error) {
      await store.#link.close();
      throw openError(error, store.#place);
    }
    return store;
  }

  /** Done with each new connection: the store may have been brought to another layout meanwhile, or be another one. */
  async #prepare(connection: Connection): Promise<void> {
    const askedAt = this.#runtime.elapsed();
    let found = await look(connection, this.#place);
    if (!Number.isNaN(found.serverMs)) this.#clock.learn(found.serverMs, askedAt);
    if (found.layout < steps.length) {
      await migrate(connection, this.#place);
      found = await look(connection, this.#place);
    }
    if (this.#name !== "" && this.#name !== found.store) {
      throw new StoreLostError(`The store on ${this.#place.location} was replaced by another while this program had it open.`);
    }
    this.#name = found.store;
  }

  #do<T>(run: (session: Session) => Promise<T>): Promise<T> {
    return this.#line.do({ run });
  }

  #doLong<T>(run: (session: Session) => Promise<T>): Promise<T> {
    return this.#line.do({ run, long: true });
  }

  #notify(payload: string): void {
    const { channel } = this.#ground.bell;
    const told = this.#do((session) => session.query("SELECT pg_notify($1, $2)", [channel, payload]));
    // Others find what they were not told of when they look by themselves.
    told.catch(() => undefined);
  }

  /** The channel on which programs notify each other. */
  get channel(): string {
    return this.#ground.bell.channel;
  }

  now(): number {
    return this.#clock.now();
  }

  async add(jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
    return this.#line.do(add(this.#ground, jobs, now));
  }

  async addIn(tx: unknown, jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
    if (this.#closing) throw this.#closedError();
    if (typeof tx !== "object" || tx === null || !("query" in tx) || typeof tx.query !== "function") {
      throw new UsageError("Jobs of a PostgreSQL store are submitted in the transaction of a client of pg; this is none.");
    }
    const session = sessionOf(tx as Queryable);
    await this.#checkTransaction(session);
    return addIn(this.#ground, session, jobs, now);
  }

  async addIf(
    record: { readonly name: string; readonly from: string | null; readonly to: string | null },
    jobs: readonly NewJob[],
    now: number,
  ): Promise<readonly Added[] | null> {
    return this.#line.do(addIf(this.#ground, record, jobs, now));
  }

  async #checkTransaction(session: Session): Promise<void> {
    const meta = `${this.#ground.schema}.meta`;
    const [there] = await session.query("SELECT to_regclass($1) IS NOT NULL", [meta]);
    const [store] = there?.[0] === true ? await session.query(`SELECT store FROM ${meta}`) : [];
    if (store?.[0] !== this.#name) {
      throw new UsageError(`The client given as tx is not connected to the database of the store on ${this.#place.location}.`);
    }
    // A statement by itself begins when its transaction does. (That is so without parameters only.)
    const [begun] = await session.query("SELECT now() < statement_timestamp()");
    if (begun?.[0] !== true)
      throw new UsageError('The client given as tx has no open transaction. Call its query("BEGIN") first.');
  }

  async settle(worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number): Promise<Settled> {
    const run = (session: Session): Promise<Settled> => settle(this.#ground, session, worker, outcomes, wants, now);
    const settled = await this.#line.do({ run, repeatable: false });
    this.#sweep.count(outcomes.length + settled.claimed.length);
    return settled;
  }

  awaited(id: string, limit: number): Promise<readonly string[]> {
    return this.#do((session) => awaited(this.#ground, session, id, limit));
  }

  inputs(ids: readonly string[]): Promise<readonly (readonly Input[])[]> {
    return this.#do((session) => inputs(this.#ground, session, ids));
  }

  write(records: readonly NewRecord[], now: number): Promise<readonly boolean[]> {
    return this.#do((session) => writeRecords(this.#ground, session, records, now));
  }

  records(job: string, prefix: string, limit: number, after?: string): Promise<readonly StoredRecord[]> {
    return this.#do((session) => readRecords(this.#ground, session, job, prefix, limit, after));
  }

  suspend(worker: string, jobs: readonly (readonly [id: string, fence: number, waits: string | null])[]): Promise<void> {
    return this.#do((session) => suspend(this.#ground, session, worker, jobs));
  }

  next(queues: readonly string[], tasks: readonly string[]): Promise<string | null> {
    return this.#do((session) => next(this.#ground, session, queues, tasks));
  }

  get(ids: readonly string[]): Promise<readonly Job[]> {
    return this.#do((session) => get(this.#ground, session, ids));
  }

  endings(ids: readonly string[]): Promise<readonly Ended[]> {
    return this.#do((session) => endings(this.#ground, session, ids));
  }

  list(filter: JobFilter, page: Page): Promise<readonly Job[]> {
    return this.#doLong((session) => list(this.#ground, session, filter, page));
  }

  count(filter: JobFilter): Promise<number> {
    return this.#doLong((session) => count(this.#ground, session, filter));
  }

  cancel(filter: JobFilter, reason: string | null, now: number): Promise<Cancelled> {
    return this.#doLong((session) => cancel(this.#ground, session, filter, reason, now));
  }

  retry(filter: JobFilter, now: number): Promise<readonly string[]> {
    return this.#doLong((session) => retry(this.#ground, session, filter, now));
  }

  change(filter: JobFilter, changes: Changes, now: number): Promise<readonly string[]> {
    return this.#doLong((session) => change(this.#ground, session, filter, changes, now));
  }

  remove(filter: JobFilter): Promise<number> {
    return this.#doLong((session) => remove(this.#ground, session, filter));
  }

  tend(now: number, limit: number): Promise<Tended> {
    return this.#doLong(async (session) => {
      const askedAt = this.#runtime.elapsed();
      const { serverMs, idle } = await idleTend(this.#ground, session, now, limit);
      this.#clock.learn(serverMs, askedAt);
      return idle ?? tend(this.#ground, session, now, limit);
    });
  }

  join(worker: NewWorker, leaseUntil: number): Promise<void> {
    return this.#do((session) => join(this.#ground, session, worker, leaseUntil));
  }

  renew(worker: string, leaseUntil: number): Promise<Renewal> {
    return this.#do(async (session) => {
      const askedAt = this.#runtime.elapsed();
      const { renewal, serverMs } = await renew(this.#ground, session, worker, { at: leaseUntil });
      if (renewal.alive) this.#clock.learn(serverMs, askedAt);
      return renewal;
    });
  }

  drain(worker: string): Promise<boolean> {
    return this.#doLong((session) => drain(this.#ground, session, worker));
  }

  pause(queue: string, paused: boolean): Promise<void> {
    return this.#doLong((session) => pause(this.#ground, session, queue, paused));
  }

  leave(worker: string, now: number): Promise<void> {
    return this.#doLong((session) => leave(this.#ground, session, worker, now));
  }

  releaseOthers(worker: string, held: readonly Claim[], now: number): Promise<number> {
    return this.#doLong((session) => releaseOthers(this.#ground, session, worker, held, now));
  }

  note(worker: string, progress: readonly (readonly [id: string, fence: number, text: string])[]): Promise<void> {
    return this.#do((session) => note(this.#ground, session, worker, progress));
  }

  workers(): Promise<readonly StoredWorker[]> {
    return this.#do((session) => workers(this.#ground, session));
  }

  lines(limit: number): Promise<readonly ReadyLine[]> {
    return this.#do((session) => lines(this.#ground, session, limit));
  }

  gates(names: readonly string[]): Promise<readonly StoredGate[]> {
    return this.#do((session) => gates(this.#ground, session, names));
  }

  queues(): Promise<readonly QueueStats[]> {
    return this.#doLong((session) => queues(this.#ground, session));
  }

  async keepEvents(keepMs: number | null, ifNone: number = 0): Promise<number> {
    const until = this.#runtime.elapsed() + this.#unavailableAfterMs;
    for (;;) {
      const kept = await this.#doLong((session) => keepEvents(this.#ground, session, keepMs, ifNone));
      if (kept !== undefined) return kept;
      if (this.#runtime.elapsed() > until) throw eventsHeldUp(this.#place);
      // Others of this program may go first: among them may be who ends what it waits for.
      await sleep(this.#runtime, heldUpMs);
    }
  }

  events(after: string | null, limit: number): Promise<EventPage> {
    return this.#doLong((session) => readEvents(this.#ground, session, after, limit));
  }

  dump(after: string | null, limit: number): Promise<Dump> {
    return this.#doLong((session) => dump(this.#ground, session, after, limit));
  }

  load(jobs: readonly StoredJob[], now: number): Promise<number> {
    return this.#doLong((session) => load(this.#ground, session, jobs, now));
  }

  info(): Promise<StoreInfo> {
    return this.#doLong((session) => {
      const skewMs = this.#clock.skewMs();
      return info(this.#ground, session, { place: this.#place, layout: steps.length, skewMs, sweepProblem: this.#sweep.problem });
    });
  }

  reconnect(): void {
    this.#link.drop();
    this.#watch.reconnect();
  }

  watch(listener: StoreListener): () => void {
    if (this.#closing) throw this.#closedError();
    return this.#watch.add(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #closedError(): ClosedError {
    return new ClosedError(`The store on ${this.#place.location} is closed. Open it again to use it.`);
  }

  async #close(): Promise<void> {
    this.#ground.bell.close();
    // Nobody waits for a server that is not there.
    this.#link.finish();
    await this.#line.close();
    await Promise.all([this.#watch.close(), this.#sweep.close(), this.#link.close()]);
  }
}

/**
 * Opens the store in a schema of this database, and makes the schema when there is none. Rejects with one clear error when the server,
 * the database or the store in it cannot be used.
 */
export function postgresStore(url: string, options: PostgresOptions = {}): Promise<PostgresStore> {
  return PostgresStore.open(url, options);
}
