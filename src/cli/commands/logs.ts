// `manyhands logs`: what a job has logged, and with --follow what it logs until it has ended.
import type { Command } from "commander";
import { UsageError } from "../../core/errors.ts";
import { sleep } from "../../core/runtime.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { LogLine } from "../../fleet/job-reader.ts";
import { isFinal } from "../../task/state.ts";
import type { Cli, CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { iso } from "../job-view.ts";
import { toJson } from "../json.ts";
import { openHands } from "../store.ts";
import { oneLine, plural } from "../table.ts";

const askAgainMs = 300;

interface LogsOptions extends CommonOptions {
  readonly follow?: boolean;
}

function print({ output }: Cli, { at, attempt, line }: LogLine): void {
  if (output.json) output.line(toJson({ at: iso(at), attempt, line }));
  else output.line(`${output.paint("dim", iso(at) ?? "")}  ${oneLine(line)}`);
}

async function hasEnded(hands: Hands, id: string): Promise<boolean> {
  const [job] = await hands.jobs({ ids: [id], limit: 1 });
  if (job) return isFinal(job.state);
  throw new UsageError(
    `There is no job "${id}" in this store. Ended jobs are deleted when their "keep" is over; "manyhands jobs" lists those there are.`,
  );
}

/** Prints the lines that come after the first `seen` of all there ever were. Gives how many there are now. */
async function printNew(cli: Cli, hands: Hands, id: string, seen: number): Promise<number> {
  const { lines, dropped } = await hands.logs(id);
  if (dropped > seen)
    cli.output.note(`${plural(dropped - seen, "line")} before these are gone: a job keeps its last 1000, or 64 kB.`);
  for (const line of lines.slice(Math.max(0, seen - dropped))) print(cli, line);
  return dropped + lines.length;
}

export function addLogs(program: Command, run: Run): void {
  const command = program
    .command("logs")
    .description("show what a job has logged with context().log()")
    .argument("<id>", "the job's id")
    .option("--follow", "go on until the job has ended");
  withCommonOptions(command).action((id: string, options: LogsOptions) =>
    run(options, async (cli) => {
      await using hands = await openHands(cli, { existing: true });
      for (let seen = 0; ;) {
        // Before its log is read: what it has logged until its end is there when it has ended.
        const isOver = await hasEnded(hands, id);
        seen = await printNew(cli, hands, id, seen);
        if (!options.follow && seen === 0) cli.output.note("It has logged nothing.");
        if (isOver || !options.follow || cli.output.broken) return exitCode.done;
        await sleep(cli.runtime, askAgainMs);
      }
    }),
  );
}
