// `manyhands workers` and `drain`: who works for the fleet, and ending a worker from anywhere.
import type { Command } from "commander";
import { showMs } from "../../core/durations.ts";
import { UsageError } from "../../core/errors.ts";
import { sleep } from "../../core/runtime.ts";
import { show } from "../../core/show.ts";
import type { Labels } from "../../task/requires.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { Cli, CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { iso } from "../job-view.ts";
import { toJson } from "../json.ts";
import { openHands } from "../store.ts";
import { plural, printTable, showCount } from "../table.ts";

const askAgainMs = 200;

function showLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function addWorkersList(program: Command, run: Run): void {
  const command = program.command("workers").description("list the workers of the fleet with what they run");
  withCommonOptions(command).action((options: CommonOptions) =>
    run(options, async (cli) => {
      const { output } = cli;
      await using hands = await openHands(cli, { existing: true });
      const workers = await hands.workers();
      const now = hands.now();
      if (output.json) {
        for (const worker of workers) {
          output.line(toJson({ ...worker, startedAt: iso(worker.startedAt), leaseUntil: iso(worker.leaseUntil) }));
        }
      } else if (workers.length === 0) output.note("No workers. Start one: manyhands worker <module>.");
      else {
        const right = { align: "right" as const };
        const columns = [
          { title: "WORKER" },
          { title: "HOST" },
          { title: "PID", ...right },
          { title: "RUNNING", ...right },
          { title: "SINCE", ...right },
          { title: "LEASE", ...right },
          { title: "QUEUES" },
          { title: "LABELS" },
          { title: "TASKS" },
        ];
        const left = (until: number): string => (until > now ? showMs(until - now) : "run out");
        const rows = workers.map(({ id, host, pid, running, startedAt, leaseUntil, queues, tasks, labels }) => {
          const since = showMs(Math.max(0, now - startedAt));
          return [
            id,
            host,
            String(pid),
            showCount(running),
            since,
            left(leaseUntil),
            queues.join(" "),
            showLabels(labels),
            tasks.join(" "),
          ];
        });
        printTable(output, columns, rows);
      }
      return exitCode.done;
    }),
  );
}

async function find(hands: Hands, given: string): Promise<string> {
  const ids = (await hands.workers()).map(({ id }) => id);
  const found = ids.filter((id) => id.startsWith(given));
  const [only] = found.includes(given) ? [given] : found.length === 1 ? found : [];
  if (only !== undefined) return only;
  const known = ids.length === 0 ? "There are no workers." : `There are: ${ids.join(", ")}.`;
  throw new UsageError(`${show(given)} names ${found.length === 0 ? "no worker" : "several workers"}. ${known}`);
}

async function untilGone(cli: Cli, hands: Hands, id: string): Promise<void> {
  for (;;) {
    const worker = (await hands.workers()).find((each) => each.id === id);
    if (!worker) return cli.output.status("");
    cli.output.status(`waiting for worker ${id}: ${plural(worker.running, "job")} running`);
    await sleep(cli.runtime, askAgainMs);
  }
}

function addDrain(program: Command, run: Run): void {
  const command = program
    .command("drain")
    .description("ask workers, on any machine, to take no more jobs, finish what they run, and end")
    .argument("<workers...>", "ids of workers, or how they begin")
    .option("--wait", "wait until they have ended");
  withCommonOptions(command).action((given: string[], options: CommonOptions & { readonly wait?: boolean }) =>
    run(options, async (cli) => {
      await using hands = await openHands(cli, { existing: true });
      const ids: string[] = [];
      for (const each of given) ids.push(await find(hands, each));
      for (const id of ids) await hands.drain(id);
      if (options.wait) for (const id of ids) await untilGone(cli, hands, id);
      const ended = options.wait ?? false;
      for (const id of ids) {
        if (cli.output.json) cli.output.line(toJson({ worker: id, asked: true, ended }));
        else cli.output.line(ended ? `${id}: ended` : `${id}: asked to stop; it finishes what it runs first`);
      }
      return exitCode.done;
    }),
  );
}

export function addWorkers(program: Command, run: Run): void {
  addWorkersList(program, run);
  addDrain(program, run);
}
