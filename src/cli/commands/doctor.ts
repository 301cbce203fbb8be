// `manyhands doctor`: looks at everything a fleet on this machine depends on and says what is wrong. It changes nothing. A problem is
// something a person has to act on; what is merely worth knowing is a hint.
import { availableParallelism, hostname } from "node:os";
import type { Command } from "commander";
import { showMs } from "../../core/durations.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { StoredWorker, StoreInfo } from "../../store/store.ts";
import type { Cli, CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { iso } from "../job-view.ts";
import { errorJson, toJson } from "../json.ts";
import { isRecordQueue } from "../map/record-queue.ts";
import { isDead } from "../process.ts";
import { isMissing, openHands, storeFile, storeUrl } from "../store.ts";
import { plural, printFacts, showBytes, showCount } from "../table.ts";

/** A clock that is this far ahead of the store's times, or behind them, makes leases and delays wrong. */
const clockToleranceMs = 5000;
/** Running jobs are looked at up to this number. */
const mostRunning = 10_000;

/** What was found. */
interface Findings {
  readonly problems: string[];
  readonly hints: string[];
  readonly facts: (readonly [name: string, value: string])[];
  /** The same for programs. */
  readonly json: Record<string, unknown>;
}

function lookAtProcess(findings: Findings): void {
  const { versions, platform, arch, execPath } = process;
  findings.facts.push(["node", `${versions.node} at ${execPath}`]);
  findings.facts.push(["machine", `${platform} ${arch}, ${plural(availableParallelism(), "core")}`]);
  findings.json["node"] = versions.node;
  findings.json["cores"] = availableParallelism();
}

function showInfo(findings: Findings, info: StoreInfo, openedMs: number): void {
  const settings = Object.entries(info.settings).map(([name, value]) => `${name} ${value}`);
  findings.facts.push(
    ["store", `${info.location}, opened in ${showMs(openedMs)}`],
    ["engine", `${info.engine}, schema ${info.schema}`],
    ["settings", settings.join(", ") || "none"],
    ["size", `${plural(info.jobs, "job")}, ${showBytes(info.bytes)}`],
  );
  findings.json["store"] = { ...info, openedMs };
  findings.problems.push(...info.problems);
}

function lookAtWorkers(findings: Findings, workers: readonly StoredWorker[], now: number): void {
  findings.json["workers"] = workers.map((worker) => ({
    ...worker,
    startedAt: iso(worker.startedAt),
    leaseUntil: iso(worker.leaseUntil),
  }));
  const lines = workers.map((worker) => {
    const where = `process ${worker.pid} on ${worker.host}`;
    return `${worker.id}, ${where}, ${worker.queues.join(" ")}, ${showCount(worker.running)} running, lease ${showMs(Math.max(0, worker.leaseUntil - now))}`;
  });
  findings.facts.push(["workers", lines.length === 0 ? "none" : lines.join("\n")]);
  for (const worker of workers) {
    if (worker.host === hostname() && isDead(worker.pid)) {
      const left = showMs(Math.max(0, worker.leaseUntil - now));
      findings.problems.push(
        `Worker ${worker.id} (process ${worker.pid}) has died; what it ran (${plural(worker.running, "job")}) is given to others when its lease runs out in ${left}.`,
      );
    }
  }
}

async function lookAtLostJobs(findings: Findings, hands: Hands, workers: readonly StoredWorker[]): Promise<void> {
  const running = await hands.jobs({ states: ["running"], limit: mostRunning });
  const alive = new Set(workers.map(({ id }) => id));
  const lost = running.filter(({ worker }) => worker === null || !alive.has(worker)).length;
  findings.json["lostJobs"] = lost;
  if (lost === 0) return;
  findings.problems.push(
    `${plural(lost, "running job")} belong to workers whose lease has run out. The next worker that starts gives them out again: manyhands worker <module>.`,
  );
}

async function lookAtQueues(findings: Findings, hands: Hands, workers: readonly StoredWorker[]): Promise<void> {
  const served = new Set(workers.flatMap(({ queues }) => queues));
  for (const { queue, counts } of await hands.queues()) {
    if (counts.ready === 0 || served.has(queue)) continue;
    const what = isRecordQueue(queue) ? " It belongs to an interrupted map: the same command goes on with it." : "";
    findings.hints.push(`Queue "${queue}" has ${plural(counts.ready, "job")} waiting and no worker.${what}`);
  }
}

async function lookAtClock(findings: Findings, hands: Hands, now: number): Promise<void> {
  findings.facts.push(["clock", iso(now) ?? ""]);
  const [newest] = await hands.jobs({ limit: 1 });
  if (!newest || newest.submittedAt <= now + clockToleranceMs) return;
  findings.problems.push(
    `This machine's clock is ${showMs(newest.submittedAt - now)} behind the time at which job ${newest.id} was submitted. Set the clock: leases and delays depend on it.`,
  );
}

async function lookAtStore(findings: Findings, cli: Cli): Promise<void> {
  const url = storeUrl(cli);
  const file = storeFile(url);
  if (file !== undefined && isMissing(file)) {
    findings.facts.push(["store", `none yet at ${file}`]);
    findings.json["store"] = null;
    findings.hints.push(`There is no store at ${file}. It is made when a job is first submitted.`);
    return;
  }
  const startedAt = cli.runtime.elapsed();
  await using hands = await openHands(cli);
  showInfo(findings, await hands.info(), cli.runtime.elapsed() - startedAt);
  const workers = await hands.workers();
  const now = hands.now();
  lookAtWorkers(findings, workers, now);
  await lookAtLostJobs(findings, hands, workers);
  await lookAtQueues(findings, hands, workers);
  await lookAtClock(findings, hands, now);
}

function printFindings({ output }: Cli, { problems, hints, facts, json }: Findings): void {
  if (output.json) return output.line(toJson({ ok: problems.length === 0, problems, hints, ...json }));
  printFacts(output, facts);
  output.line("");
  for (const hint of hints) output.line(`${output.paint("yellow", "hint")}     ${hint}`);
  for (const problem of problems) output.line(`${output.paint("red", "problem")}  ${problem}`);
  output.line(
    problems.length === 0 ? output.paint("green", "No problems found.") : `${plural(problems.length, "problem")} found.`,
  );
}

export function addDoctor(program: Command, run: Run): void {
  const command = program
    .command("doctor")
    .description("check Node, the store, the workers and the clock; exit code 1 if there is a problem");
  withCommonOptions(command).action((options: CommonOptions) =>
    run(options, async (cli) => {
      const findings: Findings = { problems: [], hints: [], facts: [], json: {} };
      lookAtProcess(findings);
      try {
        await lookAtStore(findings, cli);
      } catch (error) {
        findings.problems.push(errorJson(error).message);
      }
      printFindings(cli, findings);
      return findings.problems.length === 0 ? exitCode.done : exitCode.failed;
    }),
  );
}
