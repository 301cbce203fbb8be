// `manyhands map`: runs a task over many inputs on all cores, as durable jobs of a queue of its own, and goes on after an
// interruption. This file is its options; map/run.ts is the run.
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { Option } from "commander";
import type { Duration } from "../../core/durations.ts";
import type { TaskOptions } from "../../task/options.ts";
import type { CommonOptions, Run } from "../command.ts";
import { duration, wholeNumber, withCommonOptions } from "../command.ts";
import { openInputs } from "../map/inputs.ts";
import { keepDays, recordQueue } from "../map/record-queue.ts";
import { MapRun } from "../map/run.ts";
import type { LoadedTask } from "../module.ts";
import { loadTask } from "../module.ts";
import { openHands, storeUrl } from "../store.ts";

interface MapCommandOptions extends CommonOptions {
  readonly jsonl?: string;
  readonly as: "text" | "json";
  readonly spread?: boolean;
  readonly literal?: boolean;
  readonly on: "thread" | "process";
  readonly workers?: number;
  readonly unordered?: boolean;
  readonly fresh?: boolean;
  readonly retries?: number;
  readonly timeout?: Duration;
  readonly quiet?: boolean;
}

const details = `
Inputs: arguments, glob patterns (quote them: 'src/**/*.ts'), "-" for the lines of standard input, or --jsonl.
On a pipe, or with --json, it prints a line {"input": ..., "result": ...} or {"input": ..., "error": {name, message}} for each input.
It can be interrupted at any time, also by SIGKILL: the same command goes on where it stopped and runs nothing again that was
recorded, but prints all results. When every input has succeeded, the record is removed. The same command: the same task and inputs
as typed, in the same folder; other inputs are another map. What comes on standard input is matched line by line.

Examples:
  manyhands map tasks.ts#countWords 'docs/**/*.md' > counts.jsonl
  find . -name '*.jpg' | manyhands map tasks.ts#resize - --on process
  seq 1 1000 | manyhands map tasks.ts#fib - --as json --workers 4`;

function withMapOptions(task: LoadedTask, queue: string, { on, retries, timeout }: MapCommandOptions): LoadedTask {
  const given = {
    on,
    queue,
    // Two inputs that are equal are two inputs.
    unique: undefined,
    // A run may be taken up again after weeks.
    keep: `${keepDays}d`,
    ...(retries !== undefined && { retries }),
    ...(timeout !== undefined && { timeout }),
  };
  return task.with(given as unknown as TaskOptions);
}

export function addMap(program: Command, run: Run): void {
  const command = program
    .command("map")
    .description("run a task over many inputs on all cores; resumes after an interruption")
    .argument("<module#task>", 'the task, such as "tasks.ts#countWords"')
    .argument("[inputs...]", 'texts, glob patterns, or "-" for the lines of standard input')
    .option("--jsonl <file>", 'read inputs from a file of JSON lines; "-" is standard input')
    .addOption(
      new Option("--as <kind>", "what arguments and lines of standard input are").choices(["text", "json"]).default("text"),
    )
    .option("--spread", "each input is an array whose items are the arguments")
    .option("--literal", "take glob patterns as plain texts")
    .addOption(new Option("--on <place>", "where the tasks run").choices(["thread", "process"]).default("thread"))
    .option("--workers <n>", "how many threads or processes; default: one a core", wholeNumber(1))
    .option("--unordered", "print results as they come, not in the order of the inputs")
    .option("--fresh", "forget what an earlier run has recorded")
    .option("--retries <n>", "how many more attempts after a failed one", wholeNumber(0))
    .option("--timeout <duration>", 'the longest one attempt may take, such as "30s"', duration("--timeout"))
    .option("--quiet", "no progress, no summary; failures are still listed");
  withCommonOptions(command)
    .addHelpText("after", details)
    .action((given: string, texts: string[], options: MapCommandOptions) =>
      run(options, async (cli) => {
        const { path, task } = await loadTask(cli, given);
        const source = {
          texts,
          jsonl: options.jsonl,
          asJson: options.as === "json",
          spread: options.spread ?? false,
          literal: options.literal ?? false,
        };
        const inputs = await openInputs(source);
        const queue = recordQueue(path, task.name, source);
        await using hands = await openHands(cli, { memory: true });
        const mapRun = new MapRun({
          cli,
          hands,
          task: withMapOptions(task, queue, options),
          queue,
          inputs,
          on: options.on,
          workers: options.workers ?? availableParallelism(),
          ordered: !options.unordered,
          fresh: options.fresh ?? false,
          durable: !storeUrl(cli).startsWith("memory:"),
          quiet: options.quiet ?? false,
        });
        return await mapRun.run();
      }),
    );
}
