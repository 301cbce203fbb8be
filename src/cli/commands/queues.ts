// `manyhands queues`: how many jobs each queue has in each state, and how many workers take from it.
import type { Command } from "commander";
import { jobStates } from "../../task/state.ts";
import type { CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import { openHands } from "../store.ts";
import { printTable, showCount } from "../table.ts";

export function addQueues(program: Command, run: Run): void {
  const command = program.command("queues").description("list the queues with their numbers of jobs by state");
  withCommonOptions(command).action((options: CommonOptions) =>
    run(options, async (cli) => {
      const { output } = cli;
      await using hands = await openHands(cli, { existing: true });
      const [queues, workers] = await Promise.all([hands.queues(), hands.workers()]);
      const workersOf = (queue: string): number => workers.filter((worker) => worker.queues.includes(queue)).length;
      if (output.json) {
        for (const { queue, counts, paused } of queues) {
          output.line(toJson({ queue, counts, paused, workers: workersOf(queue) }));
        }
        return exitCode.done;
      }
      // A state that no queue has is not worth a column.
      const states = jobStates.filter((state) => queues.some(({ counts }) => counts[state] > 0));
      const titles = ["QUEUE", "WORKERS", ...states.map((state) => state.toUpperCase())];
      const columns = titles.map((title, i) => ({ title, align: i === 0 ? ("left" as const) : ("right" as const) }));
      const rows = queues.map(({ queue, counts, paused }) => {
        return [paused ? `${queue} (paused)` : queue, String(workersOf(queue))].concat(
          states.map((state) => showCount(counts[state])),
        );
      });
      if (rows.length === 0) output.note("No queues: the store holds no jobs.");
      else printTable(output, columns, rows);
      return exitCode.done;
    }),
  );
}
