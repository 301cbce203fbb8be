// `manyhands worker`: runs jobs until SIGTERM or SIGINT, then finishes or gives back what it has. A second signal ends it at once;
// its jobs then come back when its lease runs out.
import type { Command } from "commander";
import type { Duration } from "../../core/durations.ts";
import type { WorkerEvent } from "../../fleet/worker-event.ts";
import { describeEvent } from "../../fleet/worker-event.ts";
import type { QueueChoice } from "../../fleet/queue-choice.ts";
import type { Label, Labels } from "../../task/requires.ts";
import type { WorkOptions } from "../../fleet/work-options.ts";
import type { Worker } from "../../fleet/worker.ts";
import type { Cli, CommonOptions, Run } from "../command.ts";
import { duration, list, wholeNumber, withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import type { TaskModule } from "../module.ts";
import { loadModule } from "../module.ts";
import type { Output } from "../output.ts";
import { onStopSignal } from "../signals.ts";
import { openHands, shownStore } from "../store.ts";
import { plural } from "../table.ts";

interface WorkerCommandOptions extends CommonOptions {
  readonly queues?: readonly string[];
  readonly labels?: readonly string[];
  readonly concurrency?: number;
  readonly threads?: number;
  readonly processes?: number;
  readonly lease?: Duration;
  readonly grace?: Duration;
  readonly verbose?: boolean;
}

/** Prints what a worker does: a line for people, or an event for programs. */
class Journal {
  readonly #output: Output;
  readonly #verbose: boolean;

  constructor(output: Output, verbose: boolean) {
    this.#output = output;
    this.#verbose = verbose;
  }

  say(event: string, facts: Readonly<Record<string, unknown>>, text: string): void {
    this.#output.line(this.#output.json ? toJson({ event, ...facts }) : text);
  }

  report(event: WorkerEvent): void {
    const { kind, ...facts } = event;
    switch (kind) {
      case "ended":
        if (this.#verbose) this.say(kind, facts, describeEvent(event));
        return;
      case "blocked":
        // The lease's thread has told people already: while it happens, not after.
        if (this.#output.json) this.say(kind, facts, "");
        return;
      case "store-lost":
        // The command ends with this error.
        return;
      case "log":
      case "drain":
      case "store-back":
        return this.say(kind, facts, describeEvent(event));
      default:
        return this.#output.warn(describeEvent(event));
    }
  }
}

/** Names and patterns; with the weight of each where one has a weight. */
function queueChoice(given: readonly string[]): QueueChoice {
  if (!given.some((each) => each.includes("="))) return given;
  const parts = given.map((each) => each.split("=", 2) as [string, string?]);
  return Object.fromEntries(parts.map(([name, weight]) => [name, weight === undefined ? 1 : Number(weight)]));
}

function labelOf(text: string | undefined): Label {
  if (text === undefined || text === "true") return true;
  return text === "false" ? false : text;
}

/** `gpu,memory=16GiB`: a name alone is true. Numbers and sizes are compared as such wherever they are texts. */
function labelsOf(given: readonly string[]): Labels {
  return Object.fromEntries(
    given.map((each) => each.split("=", 2) as [string, string?]).map(([name, text]) => [name, labelOf(text)]),
  );
}

function workOptions(modules: readonly TaskModule[], options: WorkerCommandOptions): WorkOptions {
  const { labels, concurrency, threads, processes, lease, grace } = options;
  return {
    tasks: modules.map(({ exports }) => exports),
    ...(labels && { labels: labelsOf(labels) }),
    ...(concurrency !== undefined && { concurrency }),
    ...(threads !== undefined && { threads }),
    ...(processes !== undefined && { processes }),
    ...(lease !== undefined && { lease }),
    ...(grace !== undefined && { grace }),
  };
}

/** Resolves when the worker has stopped after the first signal. Rejects when it ended by itself: its store is lost. */
async function untilStopped(cli: Cli, worker: Worker, journal: Journal): Promise<void> {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const stop = (reason: string): void => {
    const running = worker.running > 0 ? `, ${plural(worker.running, "job")} running; a second signal ends it at once` : "";
    journal.say("stopping", { reason, running: worker.running }, `${reason}: stopping${running}`);
    resolve();
  };
  const forget = onStopSignal(cli.runtime, stop);
  // Output that nobody reads any more must not end jobs half way.
  cli.output.onBroken(resolve);
  await Promise.race([asked, worker.stopped]);
  await worker.stop();
  forget();
  journal.say("stopped", { worker: worker.id }, "stopped");
}

export function addWorker(program: Command, run: Run): void {
  const command = program
    .command("worker")
    .description("run jobs of the tasks in these modules until SIGTERM or Ctrl-C")
    .argument("<modules...>", 'modules of tasks, such as "tasks.ts"')
    .option(
      "--queues <names>",
      'queues to take from: names, patterns and weights, such as "mail-*=3,default=1"; default: those the tasks name',
      list,
    )
    .option("--labels <labels>", 'what this worker has, for tasks that require it, such as "gpu,memory=16GiB,zone=a"', list)
    .option("--concurrency <n>", "how many tasks at a time run on the event loop; default 50", wholeNumber(1))
    .option("--threads <n>", 'threads for tasks with on: "thread"; default: one a core', wholeNumber(1))
    .option("--processes <n>", 'processes for tasks with on: "process"; default: one a core', wholeNumber(1))
    .option(
      "--lease <duration>",
      "jobs are given to others this long after the worker's last sign of life; default 10s",
      duration("--lease"),
    )
    .option("--grace <duration>", "how long running tasks may take to end after a stop; default 10s", duration("--grace"))
    .option("--verbose", "print a line for every attempt that ends");
  withCommonOptions(command).action((given: string[], options: WorkerCommandOptions) =>
    run(options, async (cli) => {
      const modules: TaskModule[] = [];
      for (const each of given) modules.push(await loadModule(cli, each));
      const tasks = modules.flatMap((module) => [...module.tasks.values()]);
      const names = tasks.map(({ name }) => name);
      const queues = options.queues ?? [...new Set(tasks.map((task) => task.options.queue ?? "default"))];
      const journal = new Journal(cli.output, options.verbose ?? false);
      await using hands = await openHands(cli);
      const chosen = queueChoice(queues);
      const worker = hands.work({ ...workOptions(modules, options), queues: chosen, report: (event) => journal.report(event) });
      await worker.ready;
      const facts = { worker: worker.id, store: shownStore(cli), queues, tasks: names };
      const text = `worker ${worker.id} joined ${shownStore(cli)}\nqueues: ${queues.join(", ")}\ntasks: ${names.join(", ")}`;
      journal.say("joined", facts, text);
      await untilStopped(cli, worker, journal);
      return exitCode.done;
    }),
  );
}
