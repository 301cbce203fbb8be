// `manyhands cancel`: stops jobs. The wish is stored; a running job on any machine ends when its worker has seen it.
import type { Command } from "commander";
import type { CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import type { FilterOptions } from "../selection.ts";
import { select, withFilterOptions } from "../selection.ts";
import { openHands } from "../store.ts";
import { plural } from "../table.ts";

interface CancelOptions extends CommonOptions, FilterOptions {
  readonly all?: boolean;
  readonly reason?: string;
}

export function addCancel(program: Command, run: Run): void {
  const command = program
    .command("cancel")
    .description("cancel jobs, with everything below them that nothing else needs")
    .argument("[ids...]", "ids of jobs");
  withFilterOptions(command).option("--all", "every job in the store").option("--reason <text>", "why; stored with the jobs");
  withCommonOptions(command).action((ids: string[], options: CancelOptions) =>
    run(options, async (cli) => {
      await using hands = await openHands(cli, { existing: true });
      const filter = await select(hands, ids, options);
      const { waiting, requested } = await hands.cancel(filter, options.reason);
      const { output } = cli;
      if (output.json) output.line(toJson({ cancelled: waiting, requested }));
      else if (waiting + requested === 0) output.line("Nothing to cancel: all of them have ended.");
      else {
        const asked = requested > 0 ? `; asked the workers of ${plural(requested, "running job")} to stop` : "";
        output.line(`Cancelled ${plural(waiting, "job")}${asked}.`);
      }
      return exitCode.done;
    }),
  );
}
