// Runs a row: every contender in a process of its own, round by round, so that a slow minute of the machine falls on all
// of them. Ratios are taken round by round and their median is judged; medians of single contenders are only shown.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startServer, whyNoServer } from "./fleet/servers.ts";
import type { Peers } from "./install.ts";
import type { Entry, Figures, Judged, Measured, Outcome, Row, Target } from "./row.ts";
import { median } from "./statistics.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const defaultProcessLimitMs = 120_000;

/** Called after each process, with what there is to say. */
export type Tell = (message: string) => void;

function readFigures<T>(printed: string): T | undefined {
  const line = printed.trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith('{"figures":')) return undefined;
  return (JSON.parse(line) as { figures: T }).figures;
}

/** Ends the process that is being measured now, with its children. */
let stopCurrent: () => void = () => undefined;
process.on("exit", () => stopCurrent());

/** The figures of one process, or a sentence saying why there are none. */
function runOnce<T = Figures>(
  entry: Pick<Entry, "script" | "told" | "runtime">,
  peers: Peers,
  limitMs: number,
): Promise<T | string> {
  const program = entry.runtime === "bun" ? (peers.bun ?? "bun") : process.execPath;
  const script = fileURLToPath(new URL(entry.script, import.meta.url));
  // A group of its own: a contender's children end with it, also when it has to be stopped.
  const child = spawn(program, [script, JSON.stringify(entry.told)], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let printed = "";
  let complaints = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-4000)));
  const stop = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  stopCurrent = stop;
  return new Promise((resolve) => {
    const timer = setTimeout(stop, limitMs);
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      stop();
      const figures = readFigures<T>(printed);
      if (figures && code === 0) return resolve(figures);
      // Where this copy of the project lies is nobody's business.
      const said =
        complaints
          .replaceAll(root, "")
          .split("\n")
          .find((line) => /error/i.test(line)) ??
        complaints.trim().split("\n").at(-1) ??
        "";
      resolve(signal === "SIGKILL" ? `took longer than ${limitMs / 1000} s` : `ended with ${signal ?? code}: ${said.trim()}`);
    });
  });
}

/** With a server of its own where it needs one. */
async function runWithServer(entry: Entry, peers: Peers, limitMs: number): Promise<Figures | string> {
  if (!entry.server) return runOnce(entry, peers, limitMs);
  const server = await startServer(entry.server);
  try {
    return await runOnce({ ...entry, told: { ...entry.told, url: server.url } }, peers, limitMs);
  } finally {
    await server.close();
  }
}

function why(entry: Entry, peers: Peers): string | undefined {
  const noServer = entry.server && whyNoServer(entry.server);
  if (noServer) return noServer;
  if (entry.runtime === "bun" && !peers.bun) return "Bun is not installed here";
  return peers.missing.get(entry.from);
}

/** Where better is lower, the ratio is turned round: more is always better. */
function ratioOf(ours: number, theirs: number, better: "higher" | "lower"): number {
  return better === "higher" ? ours / theirs : theirs / ours;
}

/** The median, over the rounds that both took part in, of ours against theirs; NaN without such rounds. */
export function ratio(ours: Measured | undefined, theirs: Measured | undefined, key: string, better: "higher" | "lower"): number {
  const ratios: number[] = [];
  ours?.rounds.forEach((figures, round) => {
    const other = theirs?.rounds[round];
    if (figures && other) ratios.push(ratioOf(figures[key] ?? Number.NaN, other[key] ?? Number.NaN, better));
  });
  return median(ratios);
}

/** One column of one contender, round by round. */
export function values(measured: Measured, key: string): number[] {
  return measured.rounds.flatMap((figures) => figures?.[key] ?? []);
}

function judge(target: Target, row: Row, measured: readonly Measured[]): Judged {
  const better = row.columns.find((column) => column.key === target.column)?.better ?? "higher";
  const find = (name: string): Measured | undefined => measured.find(({ entry }) => entry.name === name);
  const ours = find(target.ours);
  if (target.against) {
    // The best of them is the one against which the ratio is smallest.
    const ratios = target.against
      .map((name) => ratio(ours, find(name), target.column, better))
      .filter((found) => !Number.isNaN(found));
    const value = ratios.length > 0 ? Math.min(...ratios) : Number.NaN;
    return { target, value, met: Number.isNaN(value) ? undefined : value >= target.bound };
  }
  const value = ours ? median(values(ours, target.column)) : Number.NaN;
  return {
    target,
    value,
    met: Number.isNaN(value) ? undefined : better === "higher" ? value >= target.bound : value <= target.bound,
  };
}

interface Found {
  readonly entry: Entry;
  readonly rounds: (Figures | undefined)[];
  skipped: string | undefined;
}

/** Measures the contenders of a row in one process. */
async function measureTogether(row: Row, script: string, found: readonly Found[], rounds: number, peers: Peers): Promise<void> {
  const present = found.filter(({ skipped }) => !skipped);
  const told = { contenders: present.map(({ entry }) => entry.told), rounds, ...row.sizes };
  const given = await runOnce<readonly (readonly Figures[])[]>({ script, told }, peers, row.limitMs);
  for (const [i, one] of present.entries()) {
    if (typeof given === "string") one.skipped = given;
    else one.rounds.push(...(given[i] ?? []));
  }
}

/** Measures each contender in a process of its own, round by round. */
async function measureApart(row: Row, found: readonly Found[], rounds: number, peers: Peers, tell: Tell): Promise<void> {
  const began = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (round > 0 && performance.now() - began > row.limitMs) break;
    for (let i = 0; i < found.length; i++) {
      // Each round begins with another contender, so none is always the first or always after the same one.
      const one = found[(i + round) % found.length];
      if (!one || one.skipped) continue;
      const figures = await runWithServer(one.entry, peers, row.processLimitMs ?? defaultProcessLimitMs);
      one.rounds[round] = typeof figures === "string" ? undefined : figures;
      if (typeof figures === "string") one.skipped = figures;
      const main = row.columns[0];
      const shown =
        typeof figures === "string"
          ? figures
          : `${(figures[main.key] ?? Number.NaN).toLocaleString("en", { maximumFractionDigits: 1 })} ${main.unit}`;
      tell(`round ${round + 1} of ${rounds} · ${one.entry.name}: ${shown}`);
    }
  }
}

/** Measures a row. A contender that fails is told and left out of the further rounds; the others go on. */
export async function measure(row: Row, rounds: number, peers: Peers, tell: Tell): Promise<Outcome> {
  const found = row.entries.map((entry): Found => ({ entry, rounds: [], skipped: why(entry, peers) }));
  for (const { entry, skipped } of found) if (skipped) tell(`${entry.name}: skipped, ${skipped}`);
  if (row.together) await measureTogether(row, row.together, found, rounds, peers);
  else await measureApart(row, found, rounds, peers, tell);
  return { row, measured: found, judged: row.targets.map((target) => judge(target, row, found)) };
}
