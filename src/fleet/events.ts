// Following what happens to jobs. The store keeps the events; here they are read in pages, chosen from, and waited for: what the store tells of
// its changes is a reason to look, and so is time, since it does not tell of everything.
import { ClosedError, UsageError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import { sleep } from "../core/runtime.ts";
import { show } from "../core/show.ts";
import { checkOptions } from "../core/suggest.ts";
import type { JobFilter, Store, StoredEvent } from "../store/store.ts";
import { nameOf } from "../task/requires.ts";
import { checkFilter } from "./filter.ts";

/** That a job came to a state. What it came to, its result or error, stands in the job. */
export type JobEvent = StoredEvent;

/** Which events, and from where on. */
export interface EventsOptions extends Pick<JobFilter, "queue" | "states"> {
  /** The `cursor` of an event: go on behind it. Without it, begin now. */
  readonly after?: string;
  /** Only of jobs of this task, by name. */
  readonly task?: string;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** For how long events are kept when nobody has said: a day. */
const defaultKeepMs = 86_400_000;
const pageEvents = 500;
/** What is told in a row is looked at together. */
const gatherMs = 25;
/** Looked for by itself: first after this, while nothing happens ever later. */
const firstLookMs = 50;
const lastLookMs = 1000;

/** The options. Throws UsageError for what cannot be meant. */
export function checkEvents(options: EventsOptions): EventsOptions {
  checkOptions(options, ["after", "queue", "task", "states", "signal"], "events()");
  const { after, signal, ...filter } = options;
  if ("after" in options && typeof after !== "string") {
    throw new UsageError(`events() after must be the cursor of an event, found ${show(after)}. Leave it out to begin now.`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new UsageError(`events() signal must be an AbortSignal, found ${show(signal)}.`);
  checkFilter(filter, "events()");
  return options;
}

/** Where to begin now. Events are kept from now on, if they were not. */
export async function beginNow(store: Store): Promise<string> {
  // Both are asked for before the caller does anything else.
  const kept = store.keepEvents(null, defaultKeepMs);
  const now = store.events(null, 1);
  now.catch(() => undefined);
  await kept;
  // Where they were not kept, and switching them on had to wait for others, it begins then.
  return (await now.catch(() => store.events(null, 1))).next;
}

/** Says when there may be more. */
class Alarm {
  readonly #runtime: Runtime;
  readonly #stop: AbortSignal;
  readonly #unwatch: () => void;
  readonly #ring = (): void => {
    this.#isRung = true;
    this.#wake?.();
  };
  #isRung = false;
  #wake: (() => void) | undefined;

  constructor(store: Store, runtime: Runtime, stop: AbortSignal) {
    this.#runtime = runtime;
    this.#stop = stop;
    this.#unwatch = store.watch(this.#ring);
    stop.addEventListener("abort", this.#ring);
  }

  /** Resolves a moment after the store told of something, after so long, or when all is to stop. */
  async wait(ms: number): Promise<void> {
    if (!this.#isRung) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = this.#runtime.after(ms, resolve);
      this.#wake = resolve;
      await promise;
      timer.cancel();
    }
    this.#isRung = false;
    if (!this.#stop.aborted) await sleep(this.#runtime, gatherMs);
  }

  close(): void {
    this.#unwatch();
    this.#stop.removeEventListener("abort", this.#ring);
  }
}

/** The events behind a cursor, also those to come, until `stop` aborts or nobody wants more. */
export function follow(
  store: Store,
  runtime: Runtime,
  begin: Promise<string>,
  options: EventsOptions,
  stop: AbortSignal,
): AsyncGenerator<JobEvent, void, undefined> {
  const left = new AbortController();
  const events = read(store, runtime, begin, options, AbortSignal.any([stop, left.signal]));
  const end = events.return.bind(events);
  // A generator hears of it only when it goes on, and nothing may happen for long.
  events.return = (value) => {
    left.abort();
    return end(value);
  };
  return events;
}

async function* read(
  store: Store,
  runtime: Runtime,
  begin: Promise<string>,
  { queue, task, states }: EventsOptions,
  stop: AbortSignal,
): AsyncGenerator<JobEvent, void, undefined> {
  const isChosen = (event: JobEvent): boolean =>
    (queue === undefined || event.queue === queue) &&
    (task === undefined || event.task === task) &&
    (states === undefined || states.includes(event.state));
  let alarm: Alarm | undefined;
  try {
    let cursor = await begin;
    for (let waitMs = firstLookMs; !stop.aborted;) {
      const { events, next } = await store.events(cursor, pageEvents);
      for (const stored of events) {
        const event = { ...stored, task: nameOf(stored.task) };
        if (isChosen(event)) yield event;
        if (stop.aborted) return;
      }
      alarm ??= new Alarm(store, runtime, stop);
      if (next === cursor) await alarm.wait(waitMs);
      waitMs = next === cursor ? Math.min(waitMs * 2, lastLookMs) : firstLookMs;
      cursor = next;
    }
  } catch (error) {
    if (!(stop.aborted && error instanceof ClosedError)) throw error;
  } finally {
    alarm?.close();
  }
}
