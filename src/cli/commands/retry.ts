// `manyhands retry`: makes failed, cancelled and expired jobs live again, with fresh attempts.
import type { Command } from "commander";
import { UsageError } from "../../core/errors.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import type { FilterOptions } from "../selection.ts";
import { select, withFilterOptions } from "../selection.ts";
import { openHands } from "../store.ts";
import { plural } from "../table.ts";

interface RetryOptions extends CommonOptions, FilterOptions {
  readonly all?: boolean;
  readonly allFailed?: boolean;
}

function withFailed(options: RetryOptions): RetryOptions {
  if (!options.allFailed) return options;
  if (options.state) throw new UsageError("Give either --all-failed or --state, not both.");
  return { ...options, state: ["failed"] };
}

/** Says why jobs named by id were left alone; a filter may well select jobs that need no retry. */
async function explainRefused(hands: Hands, ids: readonly string[], made: readonly string[]): Promise<void> {
  const refused = ids.filter((id) => !made.includes(id));
  if (refused.length === 0) return;
  const jobs = await hands.jobs({ ids: refused, limit: refused.length });
  const states = jobs.map(({ id, state }) => `${id} is ${state}`).join(", ");
  throw new UsageError(
    `${plural(refused.length, "job")} could not be retried: ${states}. Only failed, cancelled and expired jobs can, while no other job has their unique key.`,
  );
}

export function addRetry(program: Command, run: Run): void {
  const command = program
    .command("retry")
    .description("run failed, cancelled and expired jobs again, with those of their dependencies that failed")
    .argument("[ids...]", "ids of jobs");
  withFilterOptions(command)
    .option("--all-failed", "every failed job")
    .option("--all", "every failed, cancelled and expired job");
  withCommonOptions(command).action((ids: string[], options: RetryOptions) =>
    run(options, async (cli) => {
      const asked = withFailed(options);
      await using hands = await openHands(cli, { existing: true });
      const made = await hands.retry(await select(hands, ids, asked));
      const { output } = cli;
      if (output.json) output.line(toJson({ retried: made.length, ids: made }));
      else output.line(made.length === 0 ? "Nothing to retry." : `${plural(made.length, "job")} will run again.`);
      await explainRefused(hands, ids, made);
      return exitCode.done;
    }),
  );
}
