// `manyhands explain <id>`: why a job does not run, ran more than once, failed or was cancelled.
import type { Command } from "commander";
import { showMs } from "../../core/durations.ts";
import type { AttemptInfo, Reason } from "../../fleet/explain.ts";
import type { CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { iso, jobJson } from "../job-view.ts";
import { describeError, errorJson, recordJson } from "../json.ts";
import { openHands } from "../store.ts";
import { oneLine } from "../table.ts";

const ends: Readonly<Record<AttemptInfo["kind"], string>> = {
  retry: "failed and was retried",
  crashed: "ended with the death of its thread or process",
  lost: "was lost with its worker, whose lease ran out",
};

function attemptText({ kind, worker, startedAt, endedAt, error }: AttemptInfo): string {
  const why = error === undefined ? "" : `: ${describeError(error)}`;
  return `${iso(startedAt) ?? ""}  with worker ${worker} for ${showMs(Math.max(0, endedAt - startedAt))}: it ${ends[kind]}${why}`;
}

function reasonJson(reason: Reason): unknown {
  return reason.kind === "failed" ? { ...reason, error: errorJson(reason.error) } : reason;
}

export function addExplain(program: Command, run: Run): void {
  const command = program
    .command("explain")
    .description("say why a job does not run, ran more than once, failed or was cancelled")
    .argument("<id>", "the job's id");
  withCommonOptions(command).action((id: string, options: CommonOptions) =>
    run(options, async (cli) => {
      const { output } = cli;
      await using hands = await openHands(cli, { existing: true });
      const { job, reasons, attempts } = await hands.explain(id);
      if (output.json) {
        const past = attempts.map((each) => ({ ...each, error: each.error === undefined ? undefined : errorJson(each.error) }));
        output.line(recordJson({ job: jobJson(job), reasons: reasons.map(reasonJson), attempts: past }));
        return exitCode.done;
      }
      output.line(`Job ${job.id} of task "${job.task}" is ${job.state}.`);
      for (const { text } of reasons) output.line(oneLine(text));
      if (attempts.length > 0) output.line("\nAttempts before the last:");
      for (const each of attempts) output.line(oneLine(attemptText(each)));
      return exitCode.done;
    }),
  );
}
