// `manyhands submit`: makes one call a durable job. Without --wait it prints the id and is done; some worker will run it.
import type { Command } from "commander";
import type { Duration } from "../../core/durations.ts";
import type { Hands } from "../../fleet/hands.ts";
import { takesFrom } from "../../fleet/queue-choice.ts";
import { call } from "../../task/call.ts";
import type { TaskOptions } from "../../task/options.ts";
import type { Cli, CommonOptions, Run } from "../command.ts";
import { duration, wholeNumber, withCommonOptions } from "../command.ts";
import { exitCode, signalled } from "../exit-code.ts";
import { showValue } from "../job-view.ts";
import { describeError, errorJson, recordJson } from "../json.ts";
import type { LoadedTask } from "../module.ts";
import { loadTask } from "../module.ts";
import { onStopSignal } from "../signals.ts";
import { openHands } from "../store.ts";

interface SubmitOptions extends CommonOptions {
  readonly wait?: boolean;
  readonly delay?: Duration;
  readonly priority?: number;
  readonly queue?: string;
  readonly retries?: number;
}

/** JSON where it is JSON, the text itself where it is not. */
function readArgument(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function withSubmitOptions(task: LoadedTask, options: SubmitOptions): LoadedTask {
  const { delay, priority, queue, retries } = options;
  const given = {
    ...(delay !== undefined && { delay, at: undefined }),
    ...(priority !== undefined && { priority }),
    ...(queue !== undefined && { queue }),
    ...(retries !== undefined && { retries }),
  };
  return task.with(given as unknown as TaskOptions);
}

async function hintWithoutWorker(cli: Cli, hands: Hands, task: LoadedTask, module: string): Promise<void> {
  const queue = task.options.queue ?? "default";
  const workers = await hands.workers();
  if (workers.some((worker) => takesFrom(worker.queues, queue) && worker.tasks.includes(task.name))) return;
  cli.output.note(`No worker takes "${task.name}" from queue "${queue}" now; it waits for one: manyhands worker ${module}`);
}

interface Stopped {
  readonly signal: NodeJS.Signals;
}

/** Prints how the job ends. A signal ends the waiting, not the job. */
async function waitFor({ output }: Cli, hands: Hands, id: string, stopped: Promise<Stopped>): Promise<number> {
  try {
    const ended = hands.job(id).then((result) => ({ result }));
    const first = await Promise.race([ended, stopped]);
    if ("signal" in first) {
      output.note(`The job goes on without this command: manyhands show ${id}`);
      return signalled(first.signal);
    }
    if (output.json) output.line(recordJson({ id, result: first.result ?? null }));
    else output.line(showValue(first.result, output.terminal));
    return exitCode.done;
  } catch (error) {
    if (output.json) output.line(recordJson({ id, error: errorJson(error) }));
    else output.warn(`Job ${id} did not succeed: ${describeError(error)}`);
    return exitCode.failed;
  }
}

/** Submits and waits. Signals are listened to before the job exists: it may run at once, and a signal come with it. */
async function submitAndWait(cli: Cli, hands: Hands, submit: () => Promise<string>): Promise<number> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Stopped>();
  const forget = onStopSignal(cli.runtime, (signal) => stop({ signal }));
  try {
    return await waitFor(cli, hands, await submit(), stopped);
  } finally {
    forget();
  }
}

export function addSubmit(program: Command, run: Run): void {
  const command = program
    .command("submit")
    .description("submit one call as a durable job and print its id")
    .argument("<module#task>", 'the task, such as "tasks.ts#countWords"')
    .argument("[args...]", "its arguments: JSON, or text where it is not JSON")
    .option("--wait", "wait for the end and print the result")
    .option("--delay <duration>", 'start it not before this time has passed, such as "5m"', duration("--delay"))
    .option("--priority <n>", "higher runs first", wholeNumber(-Infinity))
    .option("--queue <name>", "the queue to wait in")
    .option("--retries <n>", "how many more attempts after a failed one", wholeNumber(0));
  withCommonOptions(command)
    .addHelpText("after", "\nExample: manyhands submit tasks.ts#resize photo.jpg '{\"width\": 800}' --wait")
    .action((given: string, args: string[], options: SubmitOptions) =>
      run(options, async (cli) => {
        const { path, task: found } = await loadTask(cli, given);
        const task = withSubmitOptions(found, options);
        await using hands = await openHands(cli);
        const submit = (): Promise<string> => hands.submit(call(task, ...args.map(readArgument))).submitted;
        if (options.wait) {
          await hintWithoutWorker(cli, hands, task, path);
          return await submitAndWait(cli, hands, submit);
        }
        const id = await submit();
        cli.output.line(cli.output.json ? recordJson({ id }) : id);
        return exitCode.done;
      }),
    );
}
