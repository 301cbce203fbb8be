// `manyhands doctor`: looks at everything a fleet depends on and says what is wrong. It changes nothing. A problem is something a
// person has to act on; what is merely worth knowing is a hint. The checks are in `../doctor/`.
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Command } from "commander";
import type { Cli, CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { Findings } from "../doctor/findings.ts";
import { lookAtQueues } from "../doctor/queues.ts";
import { lookAtClock, lookAtProcess, showInfo } from "../doctor/surroundings.ts";
import { lookAtRunning, lookAtWorkers } from "../doctor/workers.ts";
import { exitCode } from "../exit-code.ts";
import { isThere, openHands, placeShown, storeFile, storeUrl } from "../store.ts";

const writableAdvice = "Change to a folder in which you may write, or name a store with --store or MANYHANDS_URL.";

/** Why the file of a store cannot be made; undefined where it can, or where that is for a server to say. */
function obstacleTo(url: string): string | undefined {
  const file = storeFile(url);
  if (file === undefined) return undefined;
  let folder = dirname(file);
  while (!statSync(folder, { throwIfNoEntry: false })) folder = dirname(folder);
  if (!statSync(folder).isDirectory()) return `${folder} is no folder`;
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `the folder ${folder} cannot be written (${String((error as NodeJS.ErrnoException).code)})`;
  }
}

async function lookAtStore(findings: Findings, cli: Cli): Promise<void> {
  const url = storeUrl(cli);
  if (!(await isThere(url, cli.runtime))) {
    findings.facts.push(["store", `none yet at ${placeShown(url)}`]);
    findings.json["store"] = null;
    const none = `There is no store at ${placeShown(url)}`;
    const obstacle = obstacleTo(url);
    if (obstacle === undefined) findings.hints.push(`${none}. It is made when a job is first submitted.`);
    else findings.problems.push(`${none}, and none can be made: ${obstacle}. ${writableAdvice}`);
    return;
  }
  const startedAt = cli.runtime.elapsed();
  await using hands = await openHands(cli);
  showInfo(findings, await hands.info(), cli.runtime.elapsed() - startedAt);
  const [queues, workers] = [await hands.queues(), await hands.workers()];
  const scene = { hands, runtime: cli.runtime, queues, workers, now: hands.now() };
  await lookAtClock(findings, scene, cli.runtime.now() - scene.now);
  lookAtWorkers(findings, scene);
  await lookAtRunning(findings, scene);
  await lookAtQueues(findings, scene);
}

export function addDoctor(program: Command, run: Run): void {
  const command = program
    .command("doctor")
    .description("check Node, the store, the workers, the queues and the clock; exit code 1 if there is a problem");
  withCommonOptions(command).action((options: CommonOptions) =>
    run(options, async (cli) => {
      const findings = new Findings();
      lookAtProcess(findings);
      try {
        await lookAtStore(findings, cli);
      } catch (error) {
        findings.failed(error);
      }
      findings.print(cli);
      return findings.problems.length === 0 ? exitCode.done : exitCode.failed;
    }),
  );
}
