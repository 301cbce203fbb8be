// `manyhands pause` and `resume`: queues from which no worker of the fleet takes jobs for a while.
import type { Command } from "commander";
import type { CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import { openHands } from "../store.ts";

interface Direction {
  readonly name: "pause" | "resume";
  readonly description: string;
  readonly done: string;
}

function addDirection(program: Command, run: Run, { name, description, done }: Direction): void {
  const command = program.command(name).description(description).argument("<queues...>", "names of queues");
  withCommonOptions(command).action((queues: string[], options: CommonOptions) =>
    run(options, async (cli) => {
      await using hands = await openHands(cli, { existing: true });
      const chosen = queues.map((queue) => hands.queue(queue));
      for (const queue of chosen) {
        await queue[name]();
        if (cli.output.json) cli.output.line(toJson({ queue: queue.name, paused: name === "pause" }));
        else cli.output.line(`${queue.name}: ${done}`);
      }
      return exitCode.done;
    }),
  );
}

export function addPause(program: Command, run: Run): void {
  addDirection(program, run, {
    name: "pause",
    description: "let no worker take jobs from these queues until they are resumed; what runs goes on",
    done: "paused; what runs there goes on, submits are stored",
  });
  addDirection(program, run, { name: "resume", description: "let workers take jobs from paused queues again", done: "resumed" });
}
