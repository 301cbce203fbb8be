// `manyhands change`: other terms for jobs that wait: their priority, their queue, or when they are due.
import type { Command } from "commander";
import type { Duration } from "../../core/durations.ts";
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import type { JobChanges } from "../../fleet/control.ts";
import type { CommonOptions, Run } from "../command.ts";
import { duration, wholeNumber, withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import type { FilterOptions } from "../selection.ts";
import { select, withFilterOptions } from "../selection.ts";
import { openHands } from "../store.ts";
import { plural } from "../table.ts";

interface ChangeOptions extends CommonOptions, FilterOptions {
  readonly all?: boolean;
  readonly priority?: number;
  readonly to?: string;
  readonly delay?: Duration;
  readonly at?: string;
}

function changesOf({ priority, to, delay, at }: ChangeOptions): JobChanges {
  const time = at === undefined ? undefined : new Date(at);
  if (time && Number.isNaN(time.getTime())) {
    throw new UsageError(`--at takes a time such as "2027-01-31T08:00:00Z", found ${show(at)}.`);
  }
  return {
    ...(priority !== undefined && { priority }),
    ...(to !== undefined && { queue: to }),
    ...(delay !== undefined && { delay }),
    ...(time !== undefined && { at: time }),
  };
}

export function addChange(program: Command, run: Run): void {
  const command = program
    .command("change")
    .description("change jobs that wait: their priority, their queue, or when they are due")
    .argument("[ids...]", "ids of jobs");
  withFilterOptions(command)
    .option("--all", "every job that waits")
    .option("--priority <n>", "higher runs first", wholeNumber(-Infinity))
    .option("--to <queue>", "the queue to wait in")
    .option("--delay <duration>", "not before this time from now has passed; 0 for at once", duration("--delay"))
    .option("--at <time>", 'not before this time, such as "2027-01-31T08:00:00Z"');
  withCommonOptions(command).action((ids: string[], options: ChangeOptions) =>
    run(options, async (cli) => {
      const changes = changesOf(options);
      await using hands = await openHands(cli, { existing: true });
      const changed = await hands.change(await select(hands, ids, options), changes);
      const { output } = cli;
      if (output.json) output.line(toJson({ changed: changed.length, ids: changed }));
      else
        output.line(
          changed.length === 0 ? "Nothing to change: none of them waits." : `Changed ${plural(changed.length, "job")}.`,
        );
      return exitCode.done;
    }),
  );
}
