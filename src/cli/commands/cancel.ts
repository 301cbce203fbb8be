// `manyhands cancel`: stops jobs. The wish is stored; a running job on any machine ends when its worker has seen it.
import type { Command } from "commander";
import type { Duration } from "../../core/durations.ts";
import type { CommonOptions, Run } from "../command.ts";
import { duration, withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import type { FilterOptions } from "../selection.ts";
import { select, withFilterOptions } from "../selection.ts";
import { openHands } from "../store.ts";
import { plural } from "../table.ts";

interface CancelOptions extends CommonOptions, FilterOptions {
  readonly all?: boolean;
  readonly reason?: string;
  readonly wait?: Duration | true;
}

export function addCancel(program: Command, run: Run): void {
  const command = program
    .command("cancel")
    .description("cancel jobs, with everything below them that nothing else needs")
    .argument("[ids...]", "ids of jobs");
  withFilterOptions(command)
    .option("--all", "every job in the store")
    .option("--reason <text>", "why; stored with the jobs")
    .option(
      "--wait [duration]",
      "wait until the running ones have ended, at most so long; without a value a minute",
      duration("--wait"),
    );
  withCommonOptions(command).action((ids: string[], options: CancelOptions) =>
    run(options, async (cli) => {
      await using hands = await openHands(cli, { existing: true });
      const filter = await select(hands, ids, options);
      const { reason, wait = false } = options;
      const { waiting, requested, stopped, killed } = await hands.cancel(filter, {
        ...(reason !== undefined && { reason }),
        wait,
      });
      const { output } = cli;
      if (output.json) output.line(toJson({ cancelled: waiting, requested, ...(wait !== false && { stopped, killed }) }));
      else if (waiting + requested + stopped + killed === 0) output.line("Nothing to cancel: all of them have ended.");
      else {
        const ended = stopped + killed > 0 ? `; stopped ${stopped} running, killed ${killed}` : "";
        const asked = requested > 0 ? `; asked the workers of ${plural(requested, "running job")} to stop` : "";
        output.line(`Cancelled ${plural(waiting, "job")}${ended}${asked}.`);
      }
      return exitCode.done;
    }),
  );
}
