// `manyhands show <id>`: everything the store knows about one job.
import type { Command } from "commander";
import { showMs } from "../../core/durations.ts";
import { SealError, UsageError } from "../../core/errors.ts";
import type { JobInfo } from "../../fleet/job-info.ts";
import type { CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { iso, jobJson, ranMs, sealedValue, showAgo, showValue } from "../job-view.ts";
import { recordJson } from "../json.ts";
import type { Output } from "../output.ts";
import { openHands } from "../store.ts";
import { oneLine, printFacts } from "../table.ts";

type Facts = (readonly [name: string, value: string])[];

function timesOf(job: JobInfo, now: number): Facts {
  const facts: Facts = [];
  const add = (name: string, at: number | null): void => {
    if (at !== null) facts.push([name, `${iso(at)}  (${showAgo(at, now)})`]);
  };
  add("submitted", job.submittedAt);
  add("due", job.dueAt);
  add("expires", job.expiresAt);
  add("ready", job.readyAt);
  add("started", job.startedAt);
  add("cancel asked", job.cancelAt);
  add("ended", job.endedAt);
  if (job.startedAt !== null && job.readyAt !== null) facts.push(["waited", showMs(Math.max(0, job.startedAt - job.readyAt))]);
  const ran = ranMs(job, now);
  if (ran !== undefined) facts.push(["took", showMs(ran)]);
  return facts;
}

/** A stack begins with the message as it was thrown, which may play tricks on a terminal. */
function harmless(stack: string): string {
  return stack.replaceAll(/[^\P{Cc}\n]/gu, " ");
}

function shown({ sealed }: JobInfo, value: unknown, colors: boolean): string {
  const isSealed = sealed !== undefined && (value === undefined || value instanceof SealError);
  return isSealed ? sealedValue : showValue(value, colors);
}

function factsOf(job: JobInfo, now: number, colors: boolean): Facts {
  const facts: Facts = [
    ["id", job.id],
    ["task", job.task],
    ["queue", job.queue],
    ["state", job.state],
    ["attempt", `${job.attempt}${job.crashes > 0 ? `, of which ${job.crashes} ended with the death of the worker` : ""}`],
  ];
  if (job.requires !== null) facts.push(["requires", JSON.stringify(job.requires)]);
  if (job.priority !== 0) facts.push(["priority", String(job.priority)]);
  if (job.dependencies > 0) facts.push(["depends on", `${job.dependencies} jobs, ${job.pending} not done yet`]);
  if (job.root !== job.id) facts.push(["part of", job.root]);
  if (job.parent !== null) facts.push(["submitted by", job.parent]);
  if (job.uniqueKey !== null) facts.push(["unique key", oneLine(job.uniqueKey)]);
  if (job.worker !== null) facts.push(["worker", job.worker]);
  facts.push(...timesOf(job, now));
  if (job.progress) {
    facts.push([
      "progress",
      `${Math.round(job.progress.fraction * 100)} %${job.progress.note ? `, ${oneLine(job.progress.note)}` : ""}`,
    ]);
  }
  if (job.cancelReason !== null) facts.push(["cancel reason", oneLine(job.cancelReason)]);
  if (job.cause !== null) facts.push(["failed because of", job.cause]);
  if (job.problem !== undefined) facts.push(["problem", job.problem]);
  else facts.push(["args", shown(job, job.args, colors)]);
  if (job.state === "done" && job.problem === undefined) facts.push(["result", shown(job, job.result, colors)]);
  if (job.error !== undefined)
    facts.push([job.state === "failed" ? "error" : "last error", harmless(shown(job, job.error, false))]);
  if (job.sealed !== undefined) facts.push(["sealed", job.sealed]);
  return facts;
}

function hint(job: JobInfo, output: Output): void {
  if (job.state === "failed" || job.state === "cancelled" || job.state === "expired") {
    output.note(`To run it again: manyhands retry ${job.id}`);
  }
}

export function addShow(program: Command, run: Run): void {
  const command = program.command("show").description("show everything about a job").argument("<id>", "the job's id");
  withCommonOptions(command).action((id: string, options: CommonOptions) =>
    run(options, async (cli) => {
      const { output, runtime } = cli;
      await using hands = await openHands(cli, { existing: true });
      const [job] = await hands.jobs({ ids: [id], limit: 1 });
      if (!job) {
        throw new UsageError(
          `There is no job "${id}" in this store. Ended jobs are deleted when their "keep" is over; "manyhands jobs" lists those there are.`,
        );
      }
      if (output.json) output.line(recordJson(jobJson(job)));
      else {
        printFacts(output, factsOf(job, runtime.now(), output.terminal && !process.env["NO_COLOR"]));
        hint(job, output);
      }
      return exitCode.done;
    }),
  );
}
