// The Redis store: jobs on a Redis or Valkey server that any number of machines share. This file only says which script does a
// verb and how its answer is read; the rules are in the scripts (`lua/`), which say in Lua what `machine.ts`, `arrival.ts`,
// `cancellation.ts` and `revival.ts` say, and the policy on lost connections is in `link.ts`. The layout is in
// `docs/decisions/0010-redis-layout.md`.
import { ClosedError, StoreError, UsageError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import { systemRuntime } from "../../core/runtime.ts";
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
  StoreListener,
  StoreInfo,
  Tended,
  Want,
} from "../store.ts";
import type { AddReply, Submit } from "./adding.ts";
import { Adding, anyArguments, isOtherwise, settleSubmits } from "./adding.ts";
import { filterArguments } from "./filter.ts";
import type { EventsReply } from "./history.ts";
import { eventArguments, toEvents } from "./history.ts";
import { info } from "./info.ts";
import { Link } from "./link.ts";
import type { Page as Found } from "./replies.ts";
import * as replies from "./replies.ts";
import type { Script } from "./scripts.ts";
import { scripts } from "./scripts.ts";
import { settleArguments } from "./settling.ts";
import { fromField, numberField, separator, textOf, toField } from "./field.ts";
import { gateName } from "./gate-text.ts";
import { callFields, rankOf } from "./text.ts";
import { parseRedisUrl } from "./url.ts";
import { Watch } from "./watch.ts";
import type { LoadReply } from "./whole.ts";
import { loadArguments, loadedOf, toDump } from "./whole.ts";
import type { Repeat } from "./wire.ts";

/** How a Redis store is opened. */
export interface RedisOptions {
  /** Timers, randomness and ids. Default: the real ones. */
  readonly runtime?: Runtime;
  /** How long a verb waits for a server that cannot be reached before it rejects with a StoreUnavailable. Default: 30 s. */
  readonly unavailableAfterMs?: number;
}

/** How many answers of `add` may be kept on the server before it is told to forget them. */
const forgetAfter = 64;

class RedisStore implements Store {
  readonly leaseUrl: string;
  readonly tendMs: number = 3000;
  readonly settlesAtOnce: number = 2;
  readonly #link: Link;
  readonly #runtime: Runtime;
  readonly #origin: string;
  readonly #clock: ServerClock;
  readonly #adding: Adding;
  readonly #watch: Watch;
  #tokens = 0;
  /** Numbers them. */
  #settles = 0;
  #answered: string[] = [];
  #closing: Promise<void> | undefined;

  constructor(url: string, link: Link, clock: ServerClock, runtime: Runtime) {
    this.leaseUrl = url;
    this.#link = link;
    this.#clock = clock;
    this.#runtime = runtime;
    this.#origin = runtime.id();
    this.#adding = new Adding((plain, args, submits) => void this.#submit(plain, args, submits));
    this.#watch = new Watch(runtime, this.#origin, (hear) => link.listen(hear));
  }

  #closedError(): ClosedError {
    return new ClosedError(`The store ${this.#link.location} is closed. Open it again to use it.`);
  }

  /** Runs a script after the submits that were asked for before it. */
  #run<T>(script: Script, args: readonly string[], repeat: Repeat = "always"): Promise<T> {
    if (this.#closing) return Promise.reject(this.#closedError());
    this.#adding.flush();
    return this.#link.run<T>(script, args, repeat);
  }

  /** Runs a script that keeps its answer on the server, so that it can be asked for again where doing it twice would be something else. */
  async #once<T>(script: Script, args: readonly string[]): Promise<T> {
    this.#tokens += 1;
    const token = String(this.#tokens);
    let forget = "";
    if (this.#answered.length >= forgetAfter) {
      forget = JSON.stringify(this.#answered);
      this.#answered = [];
    }
    const call = (again: boolean): string[] => [this.#origin, token, again ? "1" : "0", forget, ...args];
    const reply = await this.#link.run<T>(script, call, "always");
    this.#answered.push(token);
    return reply;
  }

  async #submit(plain: boolean, args: readonly string[], submits: readonly Submit[]): Promise<void> {
    try {
      const reply = await this.#once<AddReply>(plain ? scripts.addPlain : scripts.add, args);
      this.#watch.own(reply[2]);
      settleSubmits(submits, reply);
    } catch (error) {
      for (const { reject } of submits) reject(error as Error);
    }
  }

  now(): number {
    return this.#clock.now();
  }

  async add(jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
    if (this.#closing) throw this.#closedError();
    return jobs.length === 0 ? [] : this.#adding.add(jobs, now);
  }

  async addIn(): Promise<readonly Added[]> {
    if (this.#closing) throw this.#closedError();
    throw new UsageError(
      "A Redis store has no transactions to submit in. Submit after yours is committed, or keep jobs in its database.",
    );
  }

  async addIf(
    { name, from, to }: { readonly name: string; readonly from: string | null; readonly to: string | null },
    jobs: readonly NewJob[],
    now: number,
  ): Promise<readonly Added[] | null> {
    if (this.#closing) throw this.#closedError();
    this.#adding.flush();
    const { promise, resolve, reject } = Promise.withResolvers<readonly Added[]>();
    const submits = [{ jobs, now, resolve, reject }];
    const args = [...[name, from, to].map(toField), ...anyArguments(submits)];
    const reply = await this.#once<AddReply>(scripts.addIf, args);
    this.#watch.own(reply[2]);
    if (isOtherwise(reply)) return null;
    settleSubmits(submits, reply);
    return promise;
  }

  async settle(worker: string, outcomes: readonly Outcome[], wants: readonly Want[], now: number): Promise<Settled> {
    this.#settles += 1;
    const args = settleArguments(`${this.#origin} ${this.#settles}`, worker, outcomes, wants, now);
    // A claim alone that was lost is found by `releaseOthers`, too.
    const reply = await this.#run<replies.SettleReply>(scripts.settle, args, "never");
    this.#watch.own(reply[4]);
    return replies.toSettled(reply);
  }

  async awaited(id: string, limit: number): Promise<readonly string[]> {
    const found = await this.#run<readonly string[]>(scripts.awaited, [toField(id), String(Math.min(limit, 1e9))]);
    return found.map(textOf);
  }

  async inputs(ids: readonly string[]): Promise<readonly (readonly Input[])[]> {
    return replies.toInputs(ids, await this.#run<replies.InputsReply>(scripts.inputs, ids.map(toField)));
  }

  async write(records: readonly NewRecord[], now: number): Promise<readonly boolean[]> {
    if (this.#closing) throw this.#closedError();
    this.#adding.flush();
    const args = records.flatMap(({ job, name, text, claim, tell }) => [
      job === "" ? "" : toField(job),
      toField(name),
      toField(text),
      claim ? toField(claim.worker) + separator + String(claim.fence) : "",
      tell ? "1" : "0",
    ]);
    const [written, , events] = await this.#once<replies.WriteReply>(scripts.write, [String(now), ...args]);
    this.#watch.own(events);
    return written.map((each) => each === 1);
  }

  async records(job: string, prefix: string, limit: number, after?: string): Promise<readonly StoredRecord[]> {
    const start = prefix === "" ? "" : toField(prefix);
    const from = after === undefined || after < prefix ? `[${start}` : `(${toField(after)}`;
    // Names are ASCII, so all that begin so come before this.
    const args = [job === "" ? "" : toField(job), from, start === "" ? "+" : `(${start}\uffff`, String(Math.min(limit, 1e9))];
    return replies.toRecords(await this.#run<readonly string[]>(scripts.records, args));
  }

  async suspend(worker: string, jobs: readonly (readonly [id: string, fence: number, waits: string | null])[]): Promise<void> {
    const rows = jobs.flatMap(([id, fence, waits]) => [toField(id), String(fence), toField(waits)]);
    await this.#run(scripts.suspend, [toField(worker), ...rows]);
  }

  async next(queues: readonly string[], tasks: readonly string[]): Promise<string | null> {
    const args = [String(queues.length), ...queues.map(toField), ...tasks.map(toField)];
    return fromField((await this.#run<string | null>(scripts.next, args)) ?? "");
  }

  async get(ids: readonly string[]): Promise<readonly Job[]> {
    return replies.toJobs(await this.#run<Found>(scripts.get, [...new Set(ids)].map(toField)));
  }

  async endings(ids: readonly string[]): Promise<readonly Ended[]> {
    return replies.toEndings(await this.#run<Found>(scripts.endings, ids.map(toField)));
  }

  async list(filter: JobFilter, { limit, before }: Page): Promise<readonly Job[]> {
    const chosen = filterArguments(filter);
    const jobs: Job[] = [];
    // A script reads so many jobs at most; the next goes on where it stopped.
    for (let from: string | undefined = ""; from !== undefined;) {
      const args = [String(limit - jobs.length), from, "", before === undefined ? "" : toField(before), ...chosen];
      const page: Found = await this.#run<Found>(scripts.list, args);
      for (const job of replies.toJobs(page)) jobs.push(job);
      from = page[2] === "" ? undefined : page[2];
    }
    return jobs;
  }

  count(filter: JobFilter): Promise<number> {
    return this.#run<number>(scripts.count, filterArguments(filter));
  }

  async cancel(filter: JobFilter, reason: string | null, now: number): Promise<Cancelled> {
    const args = [this.#origin, String(now), toField(reason), ...filterArguments(filter)];
    const [cancelled, requested, failed, events] = await this.#run<replies.CancelReply>(scripts.cancel, args);
    this.#watch.own(events);
    return { cancelled: replies.toIds(cancelled), requested: replies.toIds(requested), failed: replies.toIds(failed) };
  }

  async retry(filter: JobFilter, now: number): Promise<readonly string[]> {
    const args = [this.#origin, String(now), ...filterArguments(filter)];
    const [revived, events] = await this.#run<replies.RetryReply>(scripts.retry, args);
    this.#watch.own(events);
    return replies.toIds(revived);
  }

  async change(filter: JobFilter, { priority, queue, dueAt, call }: Changes, now: number): Promise<readonly string[]> {
    const changes = [
      priority === undefined ? "" : `=${rankOf(priority)}`,
      queue === undefined ? "" : `=${toField(queue)}`,
      dueAt === undefined ? "" : `=${numberField(dueAt)}`,
      ...callFields(call),
    ];
    const args = [this.#origin, String(now), ...changes, ...filterArguments(filter)];
    const [changed, events] = await this.#run<replies.ChangeReply>(scripts.change, args);
    this.#watch.own(events);
    return replies.toIds(changed);
  }

  async remove(filter: JobFilter): Promise<number> {
    const chosen = filterArguments(filter);
    let removed = 0;
    // A script deletes so many jobs at most, lest the server stand still; the next goes on where it stopped.
    for (let from = "0"; from !== "";) {
      const [count, after]: replies.RemoveReply = await this.#run<replies.RemoveReply>(scripts.remove, [from, ...chosen]);
      removed += count;
      from = after;
    }
    return removed;
  }

  async tend(now: number, limit: number): Promise<Tended> {
    const askedAt = this.#runtime.elapsed();
    const reply = await this.#run<replies.TendReply>(scripts.tend, [this.#origin, String(now), String(limit)]);
    this.#learn(reply[8], askedAt);
    this.#watch.own(reply[7]);
    return replies.toTended(reply);
  }

  async join(worker: NewWorker, leaseUntil: number): Promise<void> {
    await this.#run(scripts.join, [toField(worker.id), String(leaseUntil), JSON.stringify(worker)]);
  }

  async renew(worker: string, leaseUntil: number): Promise<Renewal> {
    const askedAt = this.#runtime.elapsed();
    const reply = await this.#run<replies.RenewReply>(scripts.renew, [toField(worker), String(leaseUntil)]);
    this.#learn(reply[3], askedAt);
    return replies.toRenewal(reply);
  }

  async drain(worker: string): Promise<boolean> {
    return (await this.#run<number>(scripts.drain, [toField(worker)])) === 1;
  }

  async pause(queue: string, paused: boolean): Promise<void> {
    this.#watch.own(await this.#run<string>(scripts.pause, [this.#origin, toField(queue), paused ? "1" : "0"]));
  }

  async leave(worker: string, now: number): Promise<void> {
    this.#watch.own(await this.#run<string>(scripts.leave, [this.#origin, toField(worker), String(now)]));
  }

  async releaseOthers(worker: string, held: readonly Claim[], now: number): Promise<number> {
    // A settle that was sent and never read must not claim after this.
    const args = [
      this.#origin,
      toField(worker),
      String(now),
      String(this.#settles),
      ...held.map(({ id, fence }) => `${fence} ${toField(id)}`),
    ];
    const [count, events] = await this.#run<replies.ReleaseReply>(scripts.releaseOthers, args);
    this.#watch.own(events);
    return count;
  }

  async note(worker: string, progress: readonly (readonly [id: string, fence: number, text: string])[]): Promise<void> {
    const rows = progress.flatMap(([id, fence, text]) => [toField(id), String(fence), toField(text)]);
    await this.#run(scripts.note, [toField(worker), ...rows]);
  }

  async workers(): Promise<readonly StoredWorker[]> {
    return replies.toWorkers(await this.#run<readonly string[]>(scripts.workers, []));
  }

  async lines(limit: number): Promise<readonly ReadyLine[]> {
    return replies.toLines(await this.#run<readonly string[]>(scripts.lines, [String(limit)]));
  }

  async gates(names: readonly string[]): Promise<readonly StoredGate[]> {
    return replies.toGates(await this.#run<readonly string[]>(scripts.gates, [...new Set(names)].map(gateName)));
  }

  async queues(): Promise<readonly QueueStats[]> {
    return replies.toQueues(await this.#run<replies.QueuesReply>(scripts.queues, []));
  }

  async keepEvents(keepMs: number | null, ifNone: number = 0): Promise<number> {
    return Number(await this.#run<string>(scripts.keepEvents, [numberField(keepMs), String(ifNone)]));
  }

  async events(after: string | null, limit: number): Promise<EventPage> {
    return toEvents(after, limit, await this.#run<EventsReply>(scripts.events, eventArguments(after, limit)));
  }

  async dump(after: string | null, limit: number): Promise<Dump> {
    return toDump(await this.#run<Found>(scripts.dump, [after ?? "-1", String(limit)]));
  }

  async load(jobs: readonly StoredJob[], now: number): Promise<number> {
    const args = [this.#origin, String(now), ...loadArguments(jobs)];
    const [count, events] = loadedOf(await this.#run<LoadReply>(scripts.load, args));
    this.#watch.own(events);
    return count;
  }

  async info(): Promise<StoreInfo> {
    const jobs = await this.count({});
    return info(this.#link, jobs, this.#clock.skewMs());
  }

  reconnect(): void {
    this.#link.reconnect();
  }

  watch(listener: StoreListener): () => void {
    if (this.#closing) throw this.#closedError();
    return this.#watch.add(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#adding.flush();
    this.#watch.close();
    await this.#link.close();
  }

  #learn([seconds, micros]: replies.Time, askedAt: number): void {
    this.#clock.learn(Number(seconds) * 1000 + Number(micros) / 1000, askedAt);
  }
}

/**
 * Opens the store of this name on this server (`redis://user:password@host:6379/0?name=manyhands`, see `url.ts`). Rejects with
 * a StoreError in one line when the server cannot be reached, refuses the password or is too old.
 */
export async function redisStore(url: string, options: RedisOptions = {}): Promise<Store> {
  const { runtime = systemRuntime, unavailableAfterMs = 30_000 } = options;
  const link = await Link.open(parseRedisUrl(url), { runtime, unavailableAfterMs });
  const clock = new ServerClock(runtime);
  try {
    const askedAt = runtime.elapsed();
    const [seconds, micros] = await link.ask<replies.Time>("TIME");
    clock.learn(Number(seconds) * 1000 + Number(micros) / 1000, askedAt);
    return new RedisStore(url, link, clock, runtime);
  } catch (error) {
    await link.close();
    throw error instanceof StoreError
      ? error
      : new StoreError(`The store ${link.location} cannot be used: ${(error as Error).message}`);
  }
}
