// A worker's lease: one per worker, whatever the number of its jobs. Where the store can be reached from another thread
// (`leaseUrl`), a thread of its own renews it, so that a task that blocks the event loop cannot lose it; the same thread
// reports such a block with the task and the line that blocks. Where only this process has the store (memory), a timer does it.
import { Worker as Thread } from "node:worker_threads";
import type { Runtime, Timer } from "../core/runtime.ts";
import type { Store } from "../store/store.ts";
import type { LeaseThreadData, LeaseThreadMessage } from "./lease-thread.ts";

/** What the holder of a lease is told. */
export interface LeaseListener {
  /** Running jobs that someone wants cancelled. */
  cancels(ids: readonly string[]): void;
  /** Someone asked the worker to stop. */
  drain(): void;
  /** The store no longer knows the worker: its jobs have been given to others. */
  lost(): void;
  /** The lease could not be renewed this time. */
  failed(error: Error): void;
  /** The event loop has been blocked; `where` names the code, as far as it could be found. */
  blocked(ms: number, where: string): void;
}

/** Keeps a lease until stopped. */
export interface Lease {
  /** Says which task runs on the event loop now, by its number; -1 for none. */
  running(task: number): void;
  /** Sees to it that the lease is renewed before anyone tends the store; a thread does so by itself. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

/** How a lease is kept. */
export interface LeaseOptions {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly worker: string;
  readonly leaseMs: number;
  readonly renewMs: number;
  /** Names of the tasks, by number. */
  readonly tasks: readonly string[];
}

/** Starts to keep the lease of a worker that has joined. */
export function keepLease(options: LeaseOptions, listener: LeaseListener): Lease {
  return options.store.leaseUrl === null ? timerLease(options, listener) : threadLease(options, options.store.leaseUrl, listener);
}

function timerLease({ store, runtime, worker, leaseMs, renewMs }: LeaseOptions, listener: LeaseListener): Lease {
  let stopped = false;
  let timer: Timer | undefined;
  let renewing: Promise<void> | undefined;
  const renew = async (): Promise<void> => {
    try {
      const { alive, cancels, drain } = await store.renew(worker, store.now() + leaseMs);
      if (stopped) return;
      if (!alive) return listener.lost();
      if (cancels.length > 0) listener.cancels(cancels);
      if (drain) listener.drain();
    } catch (error) {
      if (!stopped) listener.failed(error as Error);
    }
    arm();
  };
  const arm = (): void => {
    if (stopped) return;
    timer?.cancel();
    timer = runtime.after(renewMs, () => void (renewing = renew()), { background: true });
  };
  arm();
  return {
    running: () => undefined,
    refresh: async () => {
      timer?.cancel();
      await renewing;
      if (!stopped) await (renewing = renew());
    },
    stop: async () => {
      stopped = true;
      timer?.cancel();
      await renewing;
    },
  };
}

function threadLease(options: LeaseOptions, leaseUrl: string, listener: LeaseListener): Lease {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  shared[1] = -1;
  const { worker, leaseMs, renewMs, tasks } = options;
  const workerData: LeaseThreadData = { leaseUrl, worker, leaseMs, renewMs, tasks, shared };
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const thread = new Thread(new URL(`./lease-thread.${extension}`, import.meta.url), { workerData, name: "manyhands lease" });
  thread.unref();
  let stopped = false;
  const ended = new Promise<void>((resolve) => {
    thread.once("exit", () => {
      resolve();
      if (stopped) return;
      listener.failed(new Error("The thread that renews the lease ended; the worker joins again."));
      listener.lost();
    });
  });
  thread.on("error", (error) => {
    if (!stopped) listener.failed(error as Error);
  });
  thread.on("message", (message: LeaseThreadMessage) => {
    if (stopped) return;
    if (message.kind === "ping") Atomics.store(shared, 0, message.count);
    else if (message.kind === "cancels") listener.cancels(message.ids);
    else if (message.kind === "drain") listener.drain();
    else if (message.kind === "lost") listener.lost();
    else if (message.kind === "blocked") listener.blocked(message.ms, message.where);
    else listener.failed(new Error(message.message));
  });
  return {
    running: (task) => {
      shared[1] = task;
    },
    refresh: () => Promise.resolve(),
    stop: async () => {
      stopped = true;
      // While it is waited for, it must keep the program alive.
      thread.ref();
      thread.postMessage("stop");
      await ended;
    },
  };
}
