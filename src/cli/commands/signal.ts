// `manyhands signal`: sends a signal to a job, for the `waitFor` of its task. Unlike an argument of `submit`, a payload that is not JSON is
// refused: a signal cannot be taken back, and a task that waits for `{ ok: true }` can do nothing with a text that looks like it.
import type { Command } from "commander";
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import type { CommonOptions, Run } from "../command.ts";
import { withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import { openHands } from "../store.ts";

function readPayload(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(
      `The payload must be JSON, found ${show(text)}: ${(error as Error).message}. Shells take quotes away, so put it in single ones: ` +
        `'"yes"' is a text, '{"ok":true}' an object.`,
      { cause: error },
    );
  }
}

export function addSignal(program: Command, run: Run): void {
  const command = program
    .command("signal")
    .description("send a signal to a job, whose task waits for it with context().waitFor(name) or will")
    .argument("<id>", "the job's id")
    .argument("<name>", "the signal's name")
    .argument("[payload]", "what waitFor() gives, as JSON; without it undefined");
  withCommonOptions(command)
    .addHelpText("after", '\nExample: manyhands signal 01k9… approve \'{"by": "Ada"}\'')
    .action((id: string, name: string, text: string | undefined, options: CommonOptions) =>
      run(options, async (cli) => {
        const payload = readPayload(text);
        await using hands = await openHands(cli, { existing: true });
        await hands.signal(id, name, payload);
        cli.output.line(cli.output.json ? toJson({ id, signal: name }) : `Sent "${name}" to job ${id}.`);
        return exitCode.done;
      }),
    );
}
