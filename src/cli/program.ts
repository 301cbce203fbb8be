// The command line as a whole: its commands, and how it ends. Every way out passes through `main`, which turns what was thrown
// into one line on standard error and one of the exit codes, after all output has been written.
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { UsageError } from "../core/errors.ts";
import { systemRuntime } from "../core/runtime.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Run } from "./command.ts";
import { addCancel } from "./commands/cancel.ts";
import { addChange } from "./commands/change.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEvents } from "./commands/events.ts";
import { addJobs } from "./commands/jobs.ts";
import { addExplain } from "./commands/explain.ts";
import { addLogs } from "./commands/logs.ts";
import { addMap } from "./commands/map.ts";
import { addMigrate } from "./commands/migrate.ts";
import { addMove } from "./commands/move.ts";
import { addPause } from "./commands/pause.ts";
import { addQueues } from "./commands/queues.ts";
import { addRetry } from "./commands/retry.ts";
import { addSchedules } from "./commands/schedules.ts";
import { addShow } from "./commands/show.ts";
import { addSignal } from "./commands/signal.ts";
import { addSubmit } from "./commands/submit.ts";
import { addWorker } from "./commands/worker.ts";
import { addWorkers } from "./commands/workers.ts";
import { leave, onForeignEnd } from "./end.ts";
import { exitCode } from "./exit-code.ts";
import { Output } from "./output.ts";

const closing = `
Exit codes: 0 all done, 1 some task failed, 2 wrong usage or the command could not do its work.
With --json everything is JSON, one value a line: results on standard output; {"note"}, {"warning"} and {"error"} on standard error.
Environment: MANYHANDS_URL names the store, NO_COLOR turns colours off, MANYHANDS_DEBUG=1 shows the stacks of errors.`;

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function makeProgram(run: Run, output: Output): Command {
  const program = new Command("manyhands")
    .description("Run TypeScript functions on all cores, and as durable jobs that survive a crash.")
    .version(version(), "--version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .addHelpText("after", closing)
    .exitOverride()
    .configureOutput({ writeOut: (text) => output.line(text.trimEnd()), outputError: () => undefined });
  for (const add of [
    addMap,
    addWorker,
    addSubmit,
    addJobs,
    addShow,
    addExplain,
    addLogs,
    addEvents,
    addRetry,
    addCancel,
    addChange,
    addSignal,
    addQueues,
    addPause,
    addSchedules,
    addWorkers,
    addMigrate,
    addMove,
    addDoctor,
  ])
    add(program, run);
  return program;
}

/** Commander's complaint as one line in our form, with the way to the help. */
function usageError({ message }: CommanderError, program: Command, named: string | undefined): UsageError {
  const line = message
    .replace(/^error: /, "")
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(/[^.?)]$/, "$&.");
  const command = program.commands.find((each) => each.name() === named);
  const help = `See "manyhands ${command ? `${command.name()} ` : ""}--help".`;
  return new UsageError(`${line.charAt(0).toUpperCase()}${line.slice(1)} ${help}`);
}

function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}

/** The exit code where standard output cannot be written; says why, unless its reader only went away. */
function brokenCode(output: Output): number {
  const { failure } = output;
  if (!failure) return exitCode.brokenPipe;
  output.error(new Error(`Standard output could not be written: ${failure.message}`, { cause: failure }));
  return exitCode.usage;
}

/** Waiting for a job that another process runs holds nothing open by itself; only `main` ends the process. */
function keepAlive(runtime: Runtime): void {
  runtime.after(60_000, () => keepAlive(runtime));
}

/** Runs the command line and ends the process. `args` are what follows the command's name. */
export async function main(args: readonly string[]): Promise<void> {
  const runtime = systemRuntime;
  const output = new Output(runtime, wantsJson(args));
  output.onBroken(() => leave(brokenCode(output)));
  onForeignEnd((error) => {
    output.status("");
    output.error(error);
  });
  keepAlive(runtime);
  let code: number = exitCode.done;
  const program = makeProgram(async ({ store, use }, body) => {
    code = await body({ output, runtime, store, use });
  }, output);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    output.status("");
    if (!(error instanceof CommanderError)) {
      code = exitCode.usage;
      output.error(error);
    } else if (error.exitCode !== 0) {
      code = exitCode.usage;
      // Without any command the whole help has been printed already.
      if (error.code !== "commander.help") output.error(usageError(error, program, args[0]));
    }
  }
  await output.flush();
  if (output.broken) code = brokenCode(output);
  // A task module may have left a timer or a connection open; the command is over all the same.
  leave(code);
}
