// `manyhands queues`: how many jobs each queue has in each state, how many workers take from it, and for how long work has waited.
import type { Command } from "commander";
import { showMs } from "../../core/durations.ts";
import type { QueueInfo } from "../../fleet/worker-info.ts";
import { takesFrom } from "../../fleet/queue-choice.ts";
import { unmatchedText } from "../job-view.ts";
import { jobStates } from "../../task/state.ts";
import type { CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { waitedMs } from "../doctor/queues.ts";
import { exitCode } from "../exit-code.ts";
import { iso } from "../job-view.ts";
import { toJson } from "../json.ts";
import { openHands } from "../store.ts";
import type { Output } from "../output.ts";
import { printTable, showCount } from "../table.ts";

interface Listed extends QueueInfo {
  readonly workers: number;
  /** For how long the oldest ready job has waited. */
  readonly waitedMs: number | null;
}

function printQueues(output: Output, queues: readonly Listed[]): void {
  if (queues.length === 0) return output.note("No queues: the store holds no jobs.");
  // A state that no queue has is not worth a column, nor is waiting where nothing waits.
  const states = jobStates.filter((state) => queues.some(({ counts }) => counts[state] > 0));
  const waiting = queues.some(({ waitedMs: ms }) => ms !== null) ? ["WAITING"] : [];
  const titles = ["QUEUE", "WORKERS", ...states.map((state) => state.toUpperCase()), ...waiting];
  const columns = titles.map((title, i) => ({ title, align: i === 0 ? ("left" as const) : ("right" as const) }));
  const rows = queues.map(({ queue, paused, workers, counts, waitedMs: ms }) => {
    const numbers = states.map((state) => showCount(counts[state]));
    return [paused ? `${queue} (paused)` : queue, String(workers), ...numbers, ms === null ? "" : showMs(ms)];
  });
  printTable(output, columns, rows);
  for (const each of queues.flatMap(({ unmatched }) => unmatched)) output.note(unmatchedText(each));
}

function printJson(output: Output, queues: readonly Listed[]): void {
  for (const queue of queues) output.line(toJson({ ...queue, oldestReadyAt: iso(queue.oldestReadyAt) }));
}

export function addQueues(program: Command, run: Run): void {
  const command = program
    .command("queues")
    .description("list the queues with their numbers of jobs by state, and how long work waits");
  withCommonOptions(command).action((options: CommonOptions) =>
    run(options, async (cli) => {
      const { output } = cli;
      await using hands = await openHands(cli, { existing: true });
      const [queues, workers] = await Promise.all([hands.queues(), hands.workers()]);
      const now = hands.now();
      const listed = queues.map((stats) => ({
        ...stats,
        workers: workers.filter((worker) => takesFrom(worker.queues, stats.queue)).length,
        waitedMs: waitedMs(stats, now),
      }));
      (output.json ? printJson : printQueues)(output, listed);
      return exitCode.done;
    }),
  );
}
