// What every command has in common: its options --store, --use and --json, and the way it is run. A command's body gets a Cli and gives
// its exit code; what it throws ends the program with one clear line and exit code 2.
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Duration } from "../core/durations.ts";
import { toMs } from "../core/durations.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Output } from "./output.ts";

/** Options of every command. */
export interface CommonOptions {
  readonly store?: string;
  readonly use?: string;
  readonly json?: boolean;
}

/** What a command's body works with. */
export interface Cli {
  readonly output: Output;
  readonly runtime: Runtime;
  /** As given with --store. */
  readonly store: string | undefined;
  /** As given with --use. */
  readonly use?: string | undefined;
}

/** Runs a command's body and keeps its exit code. */
export type Run = (options: CommonOptions, body: (cli: Cli) => Promise<number>) => Promise<void>;

/** Adds the options of every command. They come last in its help. */
export function withCommonOptions(command: Command): Command {
  return command
    .option(
      "--store <url>",
      'the store: "sqlite:path", "postgres://…" or "redis://…"; default $MANYHANDS_URL, else sqlite:.manyhands/hands.db',
    )
    .option("--use <module>", 'a module that exports the middleware to connect with, as "use": keys, large texts kept elsewhere')
    .option("--json", "print JSON, one value a line, also notes and errors");
}

/** Parses an option's value as a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number${least > -Infinity ? ` of at least ${least}` : ""}.`);
  };
}

/** Parses the value of an option as a duration; a bare number is milliseconds. */
export function duration(option: string): (text: string) => Duration {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (text as Duration);
    toMs(value, option);
    return value;
  };
}

/** Collects a comma-separated option that may be given several times. */
export function list(text: string, before: readonly string[] = []): readonly string[] {
  const given = text.split(",").map((each) => each.trim());
  return [...before, ...given.filter((each) => each !== "")];
}
