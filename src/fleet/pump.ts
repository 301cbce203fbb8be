// The pump of a worker: it records what has ended and claims anew, both in one settle. A server works on one settle while this
// program makes the next; after one that failed, nothing else is under way until it is known which claims are here.
// What it deliberately does not do: run jobs, or decide when to stop; it is told by its worker.
import { ClosedError, StoreLostError } from "../core/errors.ts";
import type { Runtime, Timer } from "../core/runtime.ts";
import { sleep } from "../core/runtime.ts";
import type { Claim, ClaimedJob, Outcome } from "../store/job.ts";
import type { Settled, Store, Want } from "../store/store.ts";
import { nameOf } from "../task/requires.ts";
import type { Routes } from "./routes.ts";
import type { Asked } from "./shares.ts";
import { inTurn, Shares } from "./shares.ts";
import type { Room, Slots } from "./slots.ts";

const storeRetryMs = 500;
/** How long outcomes wait for others while every slot is busy anyway. */
const gatherMs = 5;
const lastTries = 5;
/** A settle beside another must record this many outcomes, or follow one that gave this many jobs. */
const leastAlongside = 100;

/** The worker a pump belongs to. */
export interface PumpHost {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly routes: Routes;
  /** The id under which the store knows the worker. It changes when it joins again: what was under way then concerns nobody. */
  worker(): string;
  /** False before it has begun and after it has stopped. */
  mayPump(): boolean;
  mayClaim(): boolean;
  /** Where there may be room. */
  slots(): readonly Slots[];
  /** The claims that are here. */
  claims(): readonly Claim[];
  /** The store has recorded these outcomes, but those it refused; of the doubtful ones it may have done so before. */
  settled(batch: readonly Outcome[], settled: Settled, doubtful: ReadonlySet<Outcome>): void;
  /** The worker was given these jobs. */
  claimed(jobs: readonly ClaimedJob[]): Promise<void>;
  failed(error: Error): void;
}

/** What one settle asks for. */
interface Asking extends Pick<Asked, "wants"> {
  /** The store has answered, or failed. */
  readonly answered: () => void;
  /** Told what was claimed; true when it is worth asking again at once. */
  readonly isShort: (claimed: readonly ClaimedJob[]) => boolean;
}

/** How many jobs of the tasks of these slots each queue gave. */
function byQueue(claimed: readonly ClaimedJob[], { tasks }: Slots): ReadonlyMap<string, number> {
  const given = new Map<string, number>();
  for (const { queue, task } of claimed) if (tasks.includes(nameOf(task))) given.set(queue, (given.get(queue) ?? 0) + 1);
  return given;
}

/** Settles and claims for one worker. */
export class Pump {
  readonly #host: PumpHost;
  #turn = 0;
  /** Only where queues have weights. */
  readonly #shares = new Map<Slots, Shares>();
  /** What has ended and is not yet recorded. */
  #outcomes: Outcome[] = [];
  /** There may be jobs to claim. */
  #isHungry = true;
  /** The store may have given jobs in an answer that never came. */
  #isUnsure = false;
  /** What it may have recorded when it did not answer. */
  readonly #doubtful = new Set<Outcome>();
  /** The settles under way. */
  readonly #settling = new Set<Promise<void>>();
  #again = false;
  #isDeferred = false;
  #gathering: Timer | undefined;

  constructor(host: PumpHost) {
    this.#host = host;
  }

  /** Records an outcome, soon; a freed slot may be filled by the very settle that records it. */
  record(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    this.#isHungry = true;
  }

  /** Gives jobs back. */
  release(jobs: readonly Claim[]): void {
    for (const { id, fence } of jobs) this.#outcomes.push({ id, fence, kind: "released" });
    if (jobs.length > 0) this.soon();
  }

  /** What has ended here is others' to tell now. */
  forget(): void {
    this.#outcomes = [];
    this.#doubtful.clear();
  }

  /** There may be jobs to claim. */
  wake(): void {
    this.#isHungry = true;
    this.soon();
  }

  /** Pumps on this turn of the event loop, or as soon as a settle under way is over. */
  soon(): void {
    if (!this.#maySettle()) {
      this.#again = true;
      return;
    }
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#host.runtime.defer(() => {
      this.#isDeferred = false;
      this.pump();
    });
  }

  /** Waits a little for more to end, so that one commit records it all. */
  gather(): void {
    this.#gathering ??= this.#host.runtime.after(gatherMs, () => this.soon(), { background: true });
  }

  /** Settles what has ended, and claims what there is room for. */
  pump(): void {
    if (!this.#host.mayPump()) return;
    this.#again = !this.#maySettle();
    if (!this.#again) this.#send();
  }

  #send(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    const asked = this.#ask();
    const batch = this.#outcomes;
    if (batch.length === 0 && asked.wants.length === 0) return;
    this.#outcomes = [];
    const settling = this.#settle(batch, asked).then((goOn) => {
      asked.answered();
      this.#settling.delete(settling);
      // On another turn of the event loop: a store in memory answers on this one, and nothing else would ever have its turn.
      if (goOn && (this.#again || this.#outcomes.length > 0 || this.#isHungry)) this.soon();
    });
    this.#settling.add(settling);
  }

  /** Resolves when everything is recorded, for a worker that stops; rejects when the store refuses several times. */
  async finish(): Promise<void> {
    while (this.#settling.size > 0 || this.#outcomes.length > 0) {
      await (this.#settling.size > 0 ? Promise.race(this.#settling) : this.#settleRest());
    }
  }

  #maySettle(): boolean {
    if (this.#settling.size === 0) return true;
    const isWorth = this.#outcomes.length >= leastAlongside && this.#settling.size < this.#host.store.settlesAtOnce;
    return isWorth && !this.#isUnsure;
  }

  /** One settle, and what comes of it. False when nothing should follow by itself. */
  async #settle(batch: readonly Outcome[], asked: Asking): Promise<boolean> {
    const { store, runtime } = this.#host;
    const worker = this.#host.worker();
    try {
      // What others under way have asked for is no longer free, but may not all come.
      this.#isHungry = this.#settling.size > 0;
      await this.#recount(batch);
      const settled = await store.settle(worker, batch, asked.wants, store.now());
      if (worker === this.#host.worker()) await this.#settled(batch, asked, settled);
      return true;
    } catch (error) {
      if (error instanceof ClosedError) return false;
      // What has ended must be told; nothing is dropped because the store failed once.
      if (worker === this.#host.worker()) this.#putBack(batch);
      this.#isUnsure = true;
      this.#host.failed(error as Error);
      // Nothing else is begun meanwhile. A worker that stops tries a few times more, by itself.
      await sleep(runtime, storeRetryMs);
      this.#isHungry = true;
      return this.#host.mayClaim();
    }
  }

  /** After a settle that failed: what was given in its answer, and is therefore not here, goes back. */
  async #recount(batch: readonly Outcome[]): Promise<void> {
    if (!this.#isUnsure) return;
    const { store } = this.#host;
    const here: Claim[] = [...this.#host.claims(), ...batch, ...this.#outcomes];
    await store.releaseOthers(this.#host.worker(), here, store.now());
    this.#isUnsure = false;
  }

  /** Asks for what there is room for. */
  #ask(): Asking {
    const { routes } = this.#host;
    const wants: Want[] = [];
    const answered: (() => void)[] = [];
    const shared: [Slots, Asked][] = [];
    if (this.#isHungry && this.#host.mayClaim()) {
      const elapsed = this.#host.runtime.elapsed();
      this.#turn += 1;
      for (const slots of this.#host.slots()) {
        const rooms = slots.rooms(elapsed, this.#outcomes.length >= leastAlongside);
        const asked = this.#askFor(slots, rooms);
        if (asked.wants.length === 0) continue;
        wants.push(...asked.wants);
        answered.push(slots.ask(rooms));
        if (routes.groups.length > 1) shared.push([slots, asked]);
      }
      if (routes.queues.length === 0) routes.claimed(false);
    }
    return {
      wants,
      answered: () => answered.forEach((each) => each()),
      isShort: (claimed) => shared.map(([slots, asked]) => asked.answered(byQueue(claimed, slots))).includes(true),
    };
  }

  #askFor(slots: Slots, rooms: readonly Room[]): Asked {
    const { routes } = this.#host;
    const lined = rooms.map(({ tasks, limit }) => ({ tasks: routes.lines(tasks), limit }));
    const [first, second] = routes.groups;
    if (first && !second) {
      const queues = inTurn(first.queues, this.#turn);
      return { wants: queues.length === 0 ? [] : lined.map((room) => ({ queues, ...room })), answered: () => false };
    }
    let shares = this.#shares.get(slots);
    if (!shares) this.#shares.set(slots, (shares = new Shares()));
    return shares.ask(routes.groups, lined);
  }

  async #settled(batch: readonly Outcome[], asked: Asking, settled: Settled): Promise<void> {
    this.#tell(batch, settled);
    if (asked.isShort(settled.claimed)) this.#isHungry = true;
    if (asked.wants.length > 0) this.#host.routes.claimed(settled.claimed.length > 0);
    if (settled.claimed.length === 0) return;
    this.#isHungry ||= asked.wants.some((want) => settled.claimed.length >= want.limit);
    // The server gets the next before these run.
    const isFree = this.#settling.size < this.#host.store.settlesAtOnce && !this.#isUnsure;
    if (isFree && settled.claimed.length >= leastAlongside && this.#host.mayPump()) this.#send();
    await this.#host.claimed(settled.claimed);
  }

  #tell(batch: readonly Outcome[], settled: Settled): void {
    this.#host.settled(batch, settled, this.#doubtful);
    for (const outcome of batch) this.#doubtful.delete(outcome);
  }

  #putBack(batch: readonly Outcome[]): void {
    this.#outcomes = [...batch, ...this.#outcomes];
    for (const outcome of batch) this.#doubtful.add(outcome);
  }

  /** What has ended must be told, also when the store fails just now: it is tried again before the worker gives up. */
  async #settleRest(): Promise<void> {
    const { store, runtime } = this.#host;
    for (let tries = 1; ; tries++) {
      const batch = this.#outcomes;
      this.#outcomes = [];
      try {
        return this.#tell(batch, await store.settle(this.#host.worker(), batch, [], store.now()));
      } catch (error) {
        this.#putBack(batch);
        if (tries === lastTries || error instanceof ClosedError || error instanceof StoreLostError) throw error;
        await sleep(runtime, storeRetryMs);
      }
    }
  }
}
