// `manyhands jobs`: a page of the jobs in the store, newest first.
import type { Command } from "commander";
import { showMs } from "../../core/durations.ts";
import type { JobInfo } from "../../fleet/job-info.ts";
import type { Unmatched } from "../../fleet/worker-info.ts";
import type { CommonOptions, Run } from "../command.ts";
import { wholeNumber, withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { jobJson, lackText, ranMs, remark, showAgo } from "../job-view.ts";
import { recordJson, toJson } from "../json.ts";
import type { FilterOptions } from "../selection.ts";
import { filterOf, withFilterOptions } from "../selection.ts";
import { openHands } from "../store.ts";
import type { Column } from "../table.ts";
import { printTable } from "../table.ts";

interface JobsOptions extends CommonOptions, FilterOptions {
  readonly limit: number;
  readonly before?: string;
}

const columns: readonly Column[] = [
  { title: "ID" },
  { title: "TASK" },
  { title: "QUEUE" },
  { title: "STATE" },
  { title: "ATTEMPT", align: "right" },
  { title: "SUBMITTED" },
  { title: "TOOK" },
  { title: "" },
];

export function addJobs(program: Command, run: Run): void {
  const command = program.command("jobs").description("list jobs, newest first");
  withFilterOptions(command)
    .option("--limit <n>", "at most this many", wholeNumber(1), 20)
    .option("--before <id>", "only jobs submitted before this one: the next page");
  withCommonOptions(command).action((options: JobsOptions) =>
    run(options, async (cli) => {
      const { output, runtime } = cli;
      const filter = filterOf(options);
      await using hands = await openHands(cli, { existing: true });
      const page = { limit: options.limit, ...(options.before !== undefined && { before: options.before }) };
      const jobs = await hands.jobs({ ...filter, ...page });
      // Only where something listed is ready is it worth asking what waits in vain.
      const waiting = jobs.some(({ state }) => state === "ready") ? await hands.unmatched() : [];
      const inVain = (job: JobInfo): Unmatched | undefined => {
        if (job.state !== "ready") return undefined;
        const { queue, task, requires } = job;
        return waiting.find((each) => each.queue === queue && each.task === task && toJson(each.requires) === toJson(requires));
      };
      if (output.json) {
        for (const job of jobs) output.line(recordJson({ ...jobJson(job), unmatched: inVain(job)?.lacks }));
        return exitCode.done;
      }
      const now = runtime.now();
      const shown = (job: JobInfo): string => {
        const found = inVain(job);
        return found ? lackText(found) : remark(job);
      };
      const rows = jobs.map((job) => {
        const ran = ranMs(job, now);
        const took = ran === undefined ? "" : showMs(ran);
        return [job.id, job.task, job.queue, job.state, String(job.attempt), showAgo(job.submittedAt, now), took, shown(job)];
      });
      if (rows.length === 0) output.note("No jobs.");
      else printTable(output, columns, rows);
      if (jobs.length === options.limit) output.note(`There may be more: --before ${jobs.at(-1)?.id}`);
      return exitCode.done;
    }),
  );
}
