// `manyhands move`: copies everything from one store to another, and compares. It keeps no record of how far it is: a job that is
// in the destination is passed over, so the same command goes on where one before it was interrupted, however that was. Only when
// workers have run there in between it may have to ask (`../move/doubt.ts`).
import type { Command } from "commander";
import { withoutPassword } from "../../core/redact.ts";
import type { Store } from "../../store/store.ts";
import type { Cli, Run } from "../command.ts";
import { exitCode, signalled } from "../exit-code.ts";
import type { Tally } from "../map/progress.ts";
import { ProgressDisplay } from "../map/progress.ts";
import { Comparison } from "../move/comparison.ts";
import { Doubt } from "../move/doubt.ts";
import { partsOf } from "../move/parts.ts";
import { liveWorkers, stillWorking, untilQuiet } from "../move/quiet.ts";
import { isComplete, print } from "../move/report.ts";
import { copySchedules } from "../move/schedules.ts";
import { checkUrls, openDestination, openSource } from "../move/stores.ts";
import { onStopSignal } from "../signals.ts";
import { showCount } from "../table.ts";

interface MoveOptions {
  readonly from: string;
  readonly to: string;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** The move was stopped by a signal. */
class Stopped extends Error {}

class Move {
  readonly #cli: Cli;
  readonly #options: MoveOptions;
  readonly #source: Store;
  readonly #destination: Store;
  readonly #isStopped: () => boolean;

  constructor(cli: Cli, options: MoveOptions, source: Store, destination: Store, isStopped: () => boolean) {
    this.#cli = cli;
    this.#options = options;
    this.#source = source;
    this.#destination = destination;
    this.#isStopped = isStopped;
  }

  /** Gives the exit code. Rejects with {@link Stopped} when it was stopped. */
  async run(): Promise<number> {
    const { from, to, wait } = this.#options;
    const stores = [this.#source, this.#destination];
    if (wait && !(await untilQuiet(this.#cli, stores, this.#isStopped))) throw new Stopped("nothing was moved");
    if ((await this.#destination.count({})) > 0) {
      const doubt = new Doubt();
      await this.#each("looked for", (jobs) => doubt.look(jobs, this.#destination));
      doubt.settle(this.#cli, from, to);
    }
    const paused = await this.#pause();
    let copied = 0;
    await this.#each("copied", async (jobs) => {
      copied += await this.#destination.load(jobs, this.#destination.now());
    });
    const schedules = await copySchedules(this.#source, this.#destination);
    const comparison = new Comparison();
    await this.#each("compared", (jobs) => comparison.look(jobs, this.#destination));
    const changed = comparison.isOutdated(await this.#source.queues()) || (await this.#source.workers()).length > 0;
    const begun = (await this.#destination.workers()).length > 0;
    const report = {
      from: withoutPassword(from),
      to: withoutPassword(to),
      copied,
      schedules,
      paused,
      comparison,
      changed,
      begun,
    };
    print(this.#cli, report);
    return isComplete(report) ? exitCode.done : exitCode.failed;
  }

  /** Pauses in the destination what is paused in the source: before its jobs are there for workers to take. */
  async #pause(): Promise<string[]> {
    const paused = (await this.#source.queues()).filter((each) => each.paused).map(({ queue }) => queue);
    for (const queue of paused) await this.#destination.pause(queue, true);
    return paused;
  }

  /** Does something with all jobs of the source, and shows how far it is. */
  async #each(what: string, act: (jobs: Parameters<Store["load"]>[0]) => Promise<void>): Promise<void> {
    const { output, runtime } = this.#cli;
    const tally: Tally = { done: 0, failed: 0, reused: 0, total: await this.#source.count({}) };
    const display = new ProgressDisplay(output, runtime, tally, what);
    display.start();
    try {
      for await (const jobs of partsOf(this.#source)) {
        if (this.#isStopped()) throw new Stopped(`${showCount(tally.done)} of ${showCount(tally.total ?? 0)} jobs ${what}`);
        await act(jobs);
        tally.done += jobs.length;
      }
    } finally {
      display.stop();
    }
  }
}

async function move(cli: Cli, options: MoveOptions): Promise<number> {
  const { from, to, wait } = options;
  checkUrls(from, to);
  let signal: NodeJS.Signals | undefined;
  const source = await openSource(from, cli.runtime);
  const forget = onStopSignal(cli.runtime, (first) => (signal = first));
  try {
    const workers = await liveWorkers(source);
    if (workers.length > 0 && !wait) throw stillWorking(from, workers);
    const destination = await openDestination(to, source, cli.runtime);
    try {
      const others = await liveWorkers(destination);
      if (others.length > 0 && !wait) throw stillWorking(to, others);
      return await new Move(cli, options, source, destination, () => signal !== undefined).run();
    } catch (error) {
      if (!(error instanceof Stopped) || signal === undefined) throw error;
      cli.output.note(`stopped: ${error.message}; the same command goes on from there`);
      return signalled(signal);
    } finally {
      await destination.close();
    }
  } finally {
    forget();
    await source.close();
  }
}

export function addMove(program: Command, run: Run): void {
  program
    .command("move")
    .description("copy all jobs, waiting and ended ones, and the schedules from one store to another, and compare the two")
    .requiredOption("--from <url>", 'the store to move from: "sqlite:path", "postgres://…" or "redis://…"')
    .requiredOption("--to <url>", "the store to move to; made when there is none")
    .option("--wait", "wait until no worker runs on either store")
    .option("--json", "print JSON, one value a line, also notes and errors")
    .action((options: MoveOptions) => run(options, (cli) => move(cli, options)));
}
