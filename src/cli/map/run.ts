// One run of `manyhands map`, from the store's rows of an earlier run to the last line. It ends in one of five ways: everything was
// done, some inputs failed, a signal stopped it, nobody reads its output any more, or the store or the inputs gave out. Rows are
// removed only when every input succeeded and its result was written; in all other cases the same command goes on from them.
import { inspect } from "node:util";
import { showMs } from "../../core/durations.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { WorkerEvent } from "../../fleet/worker-event.ts";
import type { Worker } from "../../fleet/worker.ts";
import type { Cli } from "../command.ts";
import { exitCode, signalled } from "../exit-code.ts";
import { describeError, errorJson, toJson } from "../json.ts";
import type { LoadedTask } from "../module.ts";
import { onStopSignal } from "../signals.ts";
import { oneLine, plural, showCount } from "../table.ts";
import { runAlone } from "./alone.ts";
import type { MapOutcome } from "./flow.ts";
import { Flow } from "./flow.ts";
import type { MapInput, MapInputs } from "./inputs.ts";
import type { Tally } from "./progress.ts";
import { ProgressDisplay } from "./progress.ts";
import { dropForgotten } from "./record-queue.ts";
import { Recorded } from "./recorded.ts";

/** Failures listed at the end; the rest is counted. */
const listedFailures = 50;
/** Results shown on a terminal; of more than that a pipe makes more sense. */
const shownResults = 20;
/** How long running tasks may take to end after Ctrl-C before they are aborted, which may take the worker two seconds more. */
const graceMs = 3000;
const stopMs = 5000;
const whereElse =
  " Maps of standard input run one at a time for a task; other inputs may run now if they are given with --jsonl <file>.";
const unsuccessful = ["failed", "cancelled", "expired"] as const;

/** What is to be run, and how. */
export interface MapRunOptions {
  readonly cli: Cli;
  readonly hands: Hands;
  /** The task with the options of the command, in the queue of this map. */
  readonly task: LoadedTask;
  readonly queue: string;
  readonly inputs: MapInputs;
  readonly on: "thread" | "process";
  readonly workers: number;
  readonly ordered: boolean;
  readonly fresh: boolean;
  /** What is recorded outlives this command. */
  readonly durable: boolean;
  readonly quiet: boolean;
}

type End = { readonly kind: "all" } | { readonly kind: "signal"; readonly signal: NodeJS.Signals } | { readonly kind: "broken" };

/** One run. */
export class MapRun {
  readonly #options: MapRunOptions;
  readonly #tally: Tally;
  readonly #failures: { readonly index: number; readonly input: unknown; readonly error: unknown }[] = [];
  /** Results may go unseen on a terminal; then they are kept for the same command with a pipe. */
  #hidden = false;
  #shown = 0;
  #display: ProgressDisplay | undefined;

  constructor(options: MapRunOptions) {
    this.#options = options;
    this.#tally = { done: 0, failed: 0, reused: 0, total: options.inputs.total };
  }

  /** Runs to one of its ends and gives the exit code. */
  async run(): Promise<number> {
    const { cli, hands, queue, quiet } = this.#options;
    const { output, runtime } = cli;
    const worker = await runAlone(hands, runtime, queue, this.#shared ? whereElse : "", () => this.#join());
    const recorded = await this.#recall();
    this.#display = new ProgressDisplay(output, runtime, this.#tally, this.#workers());
    const flow = new Flow({
      ...this.#options,
      runtime,
      recorded,
      ended: (input, index, outcome) => this.#ended(input, index, outcome),
      write: (line) => this.#write(line),
    });
    const startedAt = runtime.elapsed();
    if (!quiet) this.#display.start();
    let end: End;
    try {
      end = await this.#untilEnd(flow, worker);
    } finally {
      this.#display.stop();
    }
    if (end.kind === "signal") return signalled(end.signal);
    if (end.kind === "broken") return exitCode.brokenPipe;
    await worker.stop();
    await this.#settle(recorded);
    this.#summarize(runtime.elapsed() - startedAt);
    return this.#tally.failed > 0 ? exitCode.failed : exitCode.done;
  }

  /** Inputs from a pipe: what is recorded may be another command's. */
  get #shared(): boolean {
    return this.#tally.total === undefined;
  }

  #workers(): string {
    const { on, workers } = this.#options;
    return on === "thread" ? plural(workers, "thread") : plural(workers, "process", "processes");
  }

  #join(): Worker {
    const { hands, task, queue, on, workers } = this.#options;
    const size = on === "thread" ? { threads: workers } : { processes: workers };
    const report = (event: WorkerEvent): void => this.#report(event);
    return hands.work({ tasks: [task], queues: [queue], grace: graceMs, ...size, paused: true, report });
  }

  async #recall(): Promise<Recorded> {
    const { cli, hands, queue, fresh, quiet } = this.#options;
    await hands.remove(fresh ? { queue } : { queue, states: unsuccessful });
    const recorded = await Recorded.open(hands, cli.runtime, queue);
    if (recorded.count > 0 && !quiet) {
      const { total } = this.#tally;
      const of = total === undefined || recorded.count > total ? "" : ` of ${showCount(total)}`;
      const most = this.#shared ? "up to " : "";
      cli.output.note(`resuming: ${most}${showCount(recorded.count)}${of} already done (--fresh runs them again)`);
    }
    return recorded;
  }

  /** Waits for the first of: all done, a signal, no reader. Except after the first the worker has stopped and given back what it had. */
  async #untilEnd(flow: Flow, worker: Worker): Promise<End> {
    const { cli, inputs } = this.#options;
    const { promise: early, resolve } = Promise.withResolvers<End>();
    const forget = onStopSignal(cli.runtime, (signal) => resolve({ kind: "signal", signal }));
    cli.output.onBroken(() => resolve({ kind: "broken" }));
    try {
      const all = flow.run(inputs).then((): End => ({ kind: "all" }));
      // The worker ends by itself only with an error: its store is lost.
      const end = await Promise.race([all, early, worker.stopped.then(() => early)]);
      if (end.kind === "all") return end;
      flow.stop();
      if (end.kind === "signal") this.#announceStop(end.signal, worker);
      await this.#giveBack(worker);
      if (end.kind === "signal") await this.#announceStopped();
      return end;
    } catch (error) {
      // Neither the inputs nor the store can be relied on; what is done is recorded, and more is not attempted.
      flow.stop();
      throw error;
    } finally {
      forget();
    }
  }

  #announceStop(signal: NodeJS.Signals, worker: Worker): void {
    const { output } = this.#options.cli;
    const tasks = plural(worker.running, "running task has ended", "running tasks have ended");
    const once = worker.running > 0 ? ` once ${tasks} (at most ${showMs(stopMs)})` : "";
    this.#display?.stop();
    output.note(`${signal}: stopping${once}; a second Ctrl-C ends at once`);
  }

  async #announceStopped(): Promise<void> {
    const { cli, hands, queue, durable } = this.#options;
    const done = await hands.count({ queue, states: ["done"] });
    cli.output.note(`stopped: ${showCount(done)} done${durable ? " and recorded; the same command goes on from there" : ""}`);
  }

  async #giveBack(worker: Worker): Promise<void> {
    const { hands, queue } = this.#options;
    await worker.stop();
    // What has not started would only clutter the store: the next run submits it again.
    await hands.cancel({ queue, states: ["ready", "scheduled"] }, "the map was stopped");
    await hands.remove({ queue, states: unsuccessful });
  }

  #ended({ value }: MapInput, index: number, outcome: MapOutcome): string {
    const { output } = this.#options.cli;
    if (outcome.kind === "done") {
      this.#tally.done += 1;
      if (outcome.reused) this.#tally.reused += 1;
    } else {
      this.#tally.failed += 1;
      if (this.#failures.length < listedFailures) this.#failures.push({ index, input: value, error: outcome.error });
    }
    if (!output.terminal || output.json) {
      const ending =
        outcome.kind === "done" ? `"result":${toJson(outcome.result)}` : `"error":${toJson(errorJson(outcome.error))}`;
      return `{"input":${toJson(value)},${ending}}`;
    }
    return this.#forTerminal(value, outcome);
  }

  #forTerminal(value: unknown, outcome: MapOutcome): string {
    // Failures are listed at the end, on standard error.
    if (outcome.kind === "failed" || outcome.result === undefined) return "";
    const { total } = this.#tally;
    if ((total !== undefined && total > shownResults) || this.#shown >= shownResults) {
      this.#hidden = true;
      return "";
    }
    this.#shown += 1;
    const options = { colors: !process.env["NO_COLOR"], breakLength: Infinity, maxStringLength: 1000, maxArrayLength: 20 };
    return `${showInput(value)}  ${inspect(outcome.result, options)}`;
  }

  #write(line: string): Promise<void> | undefined {
    const { output } = this.#options.cli;
    if (line === "") return undefined;
    output.line(line);
    return output.drained();
  }

  /** Drops rows that are of no more use. */
  async #settle(recorded: Recorded): Promise<void> {
    const { cli, hands, quiet } = this.#options;
    await cli.output.flush();
    if (cli.output.broken) return;
    const unused = await recorded.rest();
    // A record that several commands share may hold what another one counts on.
    const kept = this.#shared ? unused : [];
    if (unused.length > kept.length) {
      if (!quiet) cli.output.note(`dropped ${plural(unused.length, "recorded result")} of inputs that were not given this time`);
      await hands.remove({ ids: unused });
    }
    if (this.#tally.failed === 0 && !this.#hidden) await recorded.removeAllBut(kept);
    await dropForgotten(hands, cli.runtime);
  }

  #summarize(elapsedMs: number): void {
    const { cli, durable, quiet } = this.#options;
    const { output } = cli;
    const { done, failed, reused } = this.#tally;
    const ran = done + failed - reused;
    if (failed > 0 && !output.json) {
      output.note(output.paint("red", `${showCount(failed)} failed:`, "stderr"));
      const listed = this.#failures.toSorted((a, b) => a.index - b.index);
      for (const { input, error } of listed) output.note(`  ${showInput(input)}: ${describeError(error)}`);
      if (failed > listed.length) output.note(`  ... and ${showCount(failed - listed.length)} more`);
    }
    if (quiet) return;
    const rate = ran > reused && elapsedMs > 0 ? ` (${showCount(Math.max(1, Math.round((ran / elapsedMs) * 1000)))}/s)` : "";
    const before = reused > 0 ? `, ${showCount(reused)} of them earlier` : "";
    const bad = failed > 0 ? `, ${showCount(failed)} failed${durable ? " (the same command tries those again)" : ""}` : "";
    output.note(`${showCount(done)} done${before}${bad} in ${showMs(elapsedMs)}${rate}`);
    if (!this.#hidden) return;
    const kept = durable
      ? "They are kept: the same command with a pipe (| cat) or > file prints them without running anything again."
      : "";
    output.note(`Not all results are shown on a terminal. ${kept}`.trimEnd());
  }

  #report(event: WorkerEvent): void {
    const { output } = this.#options.cli;
    if (event.kind === "log") output.note(`${event.task}: ${event.message}`);
    else if (event.kind === "store-failed") output.warn(`the store failed, trying again: ${event.error.message}`);
    else if (event.kind === "lease-lost")
      output.warn("this worker was taken for lost (was the machine asleep?); it joins again.");
  }
}

function showInput(value: unknown): string {
  const text = oneLine(typeof value === "string" ? value : toJson(value));
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}
