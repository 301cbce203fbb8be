// The benchmark's command line: brings the peers, measures row by row, shows each as it is done, and writes RESULTS.md.
// Progress goes to standard error; tables, or with --json one document, to standard output.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { durableRows } from "./durable/rows.ts";
import { openRunFolder, syncMicroseconds } from "./durable/folder.ts";
import { fleetRows } from "./fleet/rows.ts";
import { flowRows } from "./flows/rows.ts";
import { serverVersions } from "./fleet/servers.ts";
import { findPeers } from "./install.ts";
import { measure } from "./measure.ts";
import { poolRows } from "./pools/rows.ts";
import type { Circumstances } from "./report.ts";
import { json, markdown, terminalTable } from "./report.ts";
import type { Outcome } from "./row.ts";

const help = `Usage: npm run bench -- [options]

Measures manyhands side by side with its peers and writes bench/RESULTS.md.

  --only GROUP|ID           only these rows: pools, durable, fleet, or one row; may be given more than once;
                            --list shows the ids
  --rounds N                this many rounds instead of each row's own
  --quick                   small sizes, one round
  --write                   write RESULTS.md also after a partial or quick run
  --json                    one JSON document on standard output instead of tables
  --list                    show the rows and end
`;

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function say(message: string): void {
  process.stderr.write(`${message}\n`);
}

/** Overwrites itself on a terminal; on a pipe it is a line for each step. */
function step(message: string): void {
  if (!process.stderr.isTTY) return say(message);
  const shown = message.replaceAll("\n", " ").slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1));
  process.stderr.write(`\r\u001b[K${shown}`);
}

function clearStep(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
}

async function main(): Promise<number> {
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  const every = [
    ...poolRows(options.quick),
    ...durableRows(options.quick),
    ...fleetRows(options.quick),
    ...flowRows(options.quick),
  ];
  if (options.list) {
    for (const { group, id, title } of every) process.stdout.write(`${group.padEnd(8)} ${id.padEnd(24)} ${title}\n`);
    return 0;
  }
  const rounds = options.rounds === undefined ? undefined : Number(options.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    say(`--rounds takes a whole number above 0, found "${options.rounds}".`);
    return 2;
  }
  const unknown = options.only?.find((name) => !every.some(({ group, id }) => group === name || id === name));
  if (unknown !== undefined) {
    say(`--only knows no "${unknown}". It takes pools, durable, fleet, or one of: ${every.map(({ id }) => id).join(", ")}.`);
    return 2;
  }
  const rows = every.filter(({ group, id }) => !options.only || options.only.includes(group) || options.only.includes(id));
  const began = performance.now();
  openRunFolder();
  const peers = findPeers(say);
  for (const [name, reason] of peers.missing) say(`${name} is skipped: ${reason}.`);
  const outcomes: Outcome[] = [];
  for (const [i, row] of rows.entries()) {
    const prefix = `${i + 1}/${rows.length} ${row.title} · `;
    const outcome = await measure(row, rounds ?? (options.quick ? 1 : row.rounds), peers, (message) => step(prefix + message));
    clearStep();
    outcomes.push(outcome);
    if (!options.json) process.stdout.write(`${terminalTable(outcome)}\n`);
  }
  const own = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const circumstances: Circumstances = {
    date: new Date().toISOString().slice(0, 10),
    quick: options.quick,
    minutes: (performance.now() - began) / 60_000,
    syncUs: syncMicroseconds(),
    versions: new Map([
      ["manyhands", own.version],
      ["Node.js", process.versions.node],
      ["SQLite in Node.js", process.versions["sqlite"] ?? "?"],
      ...serverVersions(),
      ...peers.versions,
    ]),
  };
  if (options.json) process.stdout.write(`${JSON.stringify(json(outcomes, circumstances), null, 2)}\n`);
  const complete = rows.length === every.length && !options.quick;
  if (complete || options.write) writeFileSync(new URL("RESULTS.md", import.meta.url), markdown(outcomes, circumstances));
  say(
    complete || options.write
      ? "bench/RESULTS.md is written."
      : "A partial or quick run: bench/RESULTS.md is left as it was (--write writes it).",
  );
  const missed = outcomes.flatMap(({ judged }) => judged).filter(({ target, met }) => met === false && !target.aim);
  if (missed.length > 0)
    say(`${missed.length} of the targets were missed: ${missed.map(({ target }) => target.text).join("; ")}.`);
  return 0;
}

// The process being measured is in a group of its own, so it does not get the terminal's Ctrl-C; our exit ends it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

process.exitCode = await main();
