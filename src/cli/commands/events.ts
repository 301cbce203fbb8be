// `manyhands events`: what happens to jobs, a line each, until Ctrl-C.
import type { Command } from "commander";
import type { Duration } from "../../core/durations.ts";
import { showMs } from "../../core/durations.ts";
import type { JobEvent } from "../../fleet/events.ts";
import type { Cli, CommonOptions, Run } from "../command.ts";
import { duration, list, withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { iso } from "../job-view.ts";
import { recordJson } from "../json.ts";
import { filterOf } from "../selection.ts";
import { onStopSignal } from "../signals.ts";
import { openHands } from "../store.ts";

interface EventsCommandOptions extends CommonOptions {
  readonly after?: string;
  readonly state?: readonly string[];
  readonly queue?: string;
  readonly task?: string;
  readonly keep?: Duration;
}

function print({ output }: Cli, event: JobEvent): void {
  const { at, id, task, queue, state, from, attempt, worker } = event;
  if (output.json) return output.line(recordJson({ ...event, at: iso(at) }));
  const change = from === null ? state : `${from} -> ${state}`;
  const tries = attempt > 1 ? `  attempt ${attempt}` : "";
  const by = state === "running" && worker !== null ? `  on ${worker}` : "";
  output.line(`${output.paint("dim", iso(at) ?? "")}  ${id}  ${task}  ${queue}  ${change}${tries}${by}`);
}

export function addEvents(program: Command, run: Run): void {
  const command = program
    .command("events")
    .description("follow what happens to jobs, until Ctrl-C")
    .option("--after <cursor>", "go on behind the event with this cursor (--json prints them); default: begin now")
    .option("--state <states>", "only when a job comes to one of these states", list)
    .option("--queue <name>", "only jobs of this queue")
    .option("--task <name>", "only jobs of this task")
    .option(
      "--keep <duration>",
      "only say for how long the store keeps events; 0 deletes them and keeps none",
      duration("--keep"),
    );
  withCommonOptions(command).action((options: EventsCommandOptions) =>
    run(options, async (cli) => {
      const { after, keep } = options;
      const filter = filterOf(options);
      await using hands = await openHands(cli, { existing: true });
      if (keep !== undefined) {
        const ms = await hands.keepEvents(keep);
        cli.output.note(ms === 0 ? "No events are kept." : `Events are kept for ${showMs(ms)}.`);
        return exitCode.done;
      }
      const stop = new AbortController();
      const forget = onStopSignal(cli.runtime, () => stop.abort());
      const events = hands.events({ ...filter, ...(after !== undefined && { after }), signal: stop.signal });
      const keptMs = await hands.keepEvents();
      if (keptMs > 0) cli.output.note(`Following events, which are kept for ${showMs(keptMs)}. Ctrl-C ends it.`);
      for await (const event of events) print(cli, event);
      forget();
      return exitCode.done;
    }),
  );
}
