// The thread that keeps a worker's lease. It has a connection of its own to the store and shares nothing with the worker but
// two numbers: the last ping the worker's event loop answered, and the task that runs on it. When pings stay unanswered the
// loop is blocked; the thread then asks the main thread's debugger where it stands (node:inspector can interrupt running
// JavaScript from another thread) and says so on standard error at once, since the main thread cannot.
import { writeSync } from "node:fs";
import { Session, url as inspectorUrl } from "node:inspector";
import { parentPort, workerData } from "node:worker_threads";
import { showMs } from "../core/durations.ts";
import type { Timer } from "../core/runtime.ts";
import { StoreLostError, UsageError } from "../core/errors.ts";
import { sleep, systemRuntime } from "../core/runtime.ts";
import type { OpenLease } from "../store/lease.ts";
import { openLease } from "../store/lease.ts";

/** What the thread is started with. */
export interface LeaseThreadData {
  readonly leaseUrl: string;
  readonly worker: string;
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly tasks: readonly string[];
  /** [last ping answered, task running on the loop or -1] */
  readonly shared: Int32Array;
}

/** What the thread tells its worker. */
export type LeaseThreadMessage =
  | { readonly kind: "ping"; readonly count: number }
  | { readonly kind: "cancels"; readonly ids: readonly string[] }
  | { readonly kind: "drain" }
  | { readonly kind: "lost" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "blocked"; readonly ms: number; readonly where: string };

const blockedMs = 2000;
const port = parentPort;

interface Frame {
  readonly functionName: string;
  readonly location: { readonly scriptId: string; readonly lineNumber: number };
}

function innermost(frames: readonly Frame[], urls: ReadonlyMap<string, string>): string {
  for (const { functionName, location } of frames) {
    const url = urls.get(location.scriptId) ?? "";
    if (url !== "" && !url.startsWith("node:")) return `${functionName || "(anonymous)"} at ${url}:${location.lineNumber + 1}`;
  }
  return "";
}

/** Where the main thread stands: its innermost frame outside Node's own code. */
function stackOfMainThread(): Promise<string> {
  return new Promise((resolve) => {
    // Someone else is debugging; pausing now would disturb them.
    if (inspectorUrl() !== undefined) return resolve("");
    const session = new Session();
    const finish = (where: string): void => {
      giveUp.cancel();
      session.post("Debugger.resume", () => undefined);
      session.post("Debugger.disable", () => session.disconnect());
      resolve(where);
    };
    const giveUp = systemRuntime.after(1000, () => finish(""));
    try {
      session.connectToMainThread();
    } catch {
      giveUp.cancel();
      return resolve("");
    }
    // The frames name scripts by number; enabling the debugger lists all of them first.
    const urls = new Map<string, string>();
    session.on("Debugger.scriptParsed", ({ params }) => void urls.set(params.scriptId, params.url));
    session.once("Debugger.paused", ({ params }) => finish(innermost(params.callFrames, urls)));
    session.post("Debugger.enable", () => session.post("Debugger.pause", () => undefined));
  });
}

/** Standard error may have been closed by whoever read it; the lease matters more than the line. */
function warn(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // Nobody reads it.
  }
}

function keep(lease: OpenLease, data: LeaseThreadData, send: (message: LeaseThreadMessage) => void): { stop(): Promise<void> } {
  const { shared } = data;
  let timer: Timer | undefined;
  let pings = 0;
  let unansweredSince: number | undefined;
  let reported = false;

  let renewing: Promise<void> | undefined;

  const renew = async (): Promise<void> => {
    try {
      const { alive, cancels, drain } = await lease.renew(data.leaseMs);
      if (!alive) send({ kind: "lost" });
      else if (cancels.length > 0) send({ kind: "cancels", ids: cancels });
      if (drain) send({ kind: "drain" });
    } catch (error) {
      send({ kind: "failed", message: (error as Error).message });
    }
  };

  const reportBlock = async (ms: number): Promise<void> => {
    const task = data.tasks[Atomics.load(shared, 1)];
    const stack = await stackOfMainThread();
    const where = [task ? `task "${task}"` : "", stack].filter(Boolean).join(", in ") || "code outside any task";
    warn(
      `manyhands: the worker's event loop has been blocked for ${showMs(ms)} by ${where}. Nothing is lost, but its other jobs wait: give the task { on: "thread" }.\n`,
    );
    send({ kind: "blocked", ms, where });
  };

  const watchLoop = (): void => {
    const now = systemRuntime.elapsed();
    if (Atomics.load(shared, 0) === pings) {
      unansweredSince = undefined;
      reported = false;
      pings += 1;
      send({ kind: "ping", count: pings });
      return;
    }
    unansweredSince ??= now - data.renewMs;
    if (reported || now - unansweredSince < blockedMs) return;
    reported = true;
    reportBlock(now - unansweredSince).catch((error: unknown) => send({ kind: "failed", message: String(error) }));
  };

  const tick = (): void => {
    // A store that does not answer must not keep the watch from the loop.
    renewing ??= renew().finally(() => {
      renewing = undefined;
    });
    watchLoop();
    timer = systemRuntime.after(data.renewMs, tick);
  };
  tick();
  return {
    stop: async () => {
      timer?.cancel();
      await lease.close();
    },
  };
}

/** A server may be away at the very moment at which a worker starts. Only what stays so is an end. */
async function open(
  data: LeaseThreadData,
  isStopped: () => boolean,
  failed: (error: Error) => void,
): Promise<OpenLease | undefined> {
  while (!isStopped()) {
    try {
      return await openLease(data.leaseUrl, data.worker);
    } catch (error) {
      if (error instanceof StoreLostError || error instanceof UsageError) throw error;
      failed(error as Error);
    }
    await sleep(systemRuntime, data.renewMs);
  }
  return undefined;
}

if (port) {
  const data = workerData as LeaseThreadData;
  const send = (message: LeaseThreadMessage): void => port.postMessage(message);
  let stopped = false;
  const failed = ({ message }: Error): void => send({ kind: "failed", message });
  const opening = open(data, () => stopped, failed);
  const kept = opening.then((lease) => lease && keep(lease, data, send));
  port.on("message", (message: unknown) => {
    if (message !== "stop") return;
    stopped = true;
    void kept.then((keeper) => keeper?.stop()).finally(() => port.close());
  });
}
