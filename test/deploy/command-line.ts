// The command line as files for deployment use it, held against what `--help` says.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { toMs } from "../../src/core/durations.ts";
import { root } from "./tree.ts";

const helps = new Map<string, string>();

/** What `manyhands <command> --help` prints, or `manyhands --help`. */
export function helpOf(command = ""): string {
  const known = helps.get(command);
  if (known !== undefined) return known;
  const args = [join(root, "src/cli/main.ts"), ...(command ? [command] : []), "--help"];
  const help = execFileSync(process.execPath, args, { encoding: "utf8", env: { ...process.env, NO_COLOR: "1", COLUMNS: "200" } });
  helps.set(command, help);
  return help;
}

/** A use of the command line in a file. */
export interface Use {
  readonly command: string;
  readonly flags: readonly string[];
  readonly line: string;
}

/** Every `manyhands <command> ...` in a text, also where it is written as a list: `["manyhands", "worker"]`. */
export function usesIn(text: string): Use[] {
  const commands = [...helpOf().matchAll(/^ {2}([a-z]+) (?:\[|<| )/gm)].map(([, name]) => name);
  const use = new RegExp(`(?<![\\w-])manyhands (${commands.join("|")})(?![\\w-])([^\`|;&#]*)`, "g");
  return text.split("\n").flatMap((line) =>
    [
      ...line
        .replaceAll(/[",[\]]+/g, " ")
        .replaceAll(/ +/g, " ")
        .matchAll(use),
    ].map(([, command = "", rest = ""]) => {
      return { command, flags: rest.match(/(?<= )--[a-z-]+/g) ?? [], line: line.trim() };
    }),
  );
}

/** Fails where a flag is used that the command does not have. */
export function checkFlags({ command, flags, line }: Use): void {
  const known: readonly string[] = helpOf(command).match(/(?<=^ {2}(?:-\w, )?)--[a-z-]+/gm) ?? [];
  for (const flag of flags) assert.ok(known.includes(flag), `manyhands ${command} has no ${flag}: ${line}`);
}

/** The grace of the worker that these arguments start, in ms. */
export function graceMs(args: readonly string[]): number {
  const at = args.indexOf("--grace");
  const fallback = /--grace <duration>[^;]*; *default (\w+)/.exec(helpOf("worker").replaceAll(/\s+/g, " "))?.[1];
  return toMs(at < 0 ? fallback : args[at + 1], "the worker's grace");
}

/** How much longer than the worker's grace whoever stops it must wait: to give back jobs, to reach the store. */
export const marginMs = 10_000;
