// What is shown: a table for each row on the terminal, RESULTS.md, and the same as JSON. Nothing here names the machine or a
// path: only its kind of processor, its memory and what was installed.
import { availableParallelism, cpus, totalmem } from "node:os";
import { ratio, values } from "./measure.ts";
import type { Column, Judged, Measured, Outcome } from "./row.ts";
import { median } from "./statistics.ts";

/** The circumstances of a run. */
export interface Circumstances {
  readonly date: string;
  readonly quick: boolean;
  readonly minutes: number;
  /** The median time of a 4 KiB write and its fdatasync, where the stores lie. */
  readonly syncUs: number;
  readonly versions: ReadonlyMap<string, string>;
}

function format(value: number, digits = 1): string {
  if (Number.isNaN(value)) return "–";
  return value.toLocaleString("en", { minimumFractionDigits: 0, maximumFractionDigits: digits });
}

function formatRatio(value: number): string {
  return Number.isNaN(value) ? "–" : `${format(value, value < 10 ? 2 : 0)} ×`;
}

function spread(one: Measured, column: Column): string {
  const found = values(one, column.key);
  return found.length > 1 ? `${format(Math.min(...found), column.digits)} – ${format(Math.max(...found), column.digits)}` : "–";
}

/** The verdict on one target, in words. */
export function verdict({ target, value, met }: Judged, columns: readonly Column[]): string {
  if (met === undefined) return "not measured";
  const column = columns.find(({ key }) => key === target.column);
  const found = target.against ? formatRatio(value) : `${format(value, column?.digits)} ${column?.unit}`;
  if (target.aim) return `${found}, ${met ? "reached" : "not reached"} (an aim)`;
  return `${found}, ${met ? "met" : "MISSED"}`;
}

interface Table {
  readonly head: readonly string[];
  readonly lines: readonly (readonly string[])[];
}

/** One line per contender: its medians, the spread of the first column, and how manyhands' first entry compares. */
function table({ row, measured }: Outcome): Table {
  const [main] = row.columns;
  const ours = measured.find(({ entry }) => entry.from === "manyhands");
  const head = ["contender", ...row.columns.map(({ label }) => label), "spread", "rounds", "manyhands is"];
  const lines = measured.map((one) => {
    if (one.skipped) return [one.entry.name, `skipped: ${one.skipped}`];
    const medians = row.columns.map((column) => format(median(values(one, column.key)), column.digits));
    const compared = one === ours || !ours ? "" : formatRatio(ratio(ours, one, main.key, main.better));
    return [one.entry.name, ...medians, spread(one, main), String(values(one, main.key).length), compared];
  });
  return { head, lines };
}

/** A row as text for a terminal. */
export function terminalTable(outcome: Outcome): string {
  const { head, lines } = table(outcome);
  const widths = head.map((label, i) => {
    const shown = i === 0 ? lines : lines.filter((line) => line.length > 2);
    return Math.max(label.length, ...shown.map((line) => (line[i] ?? "").length));
  });
  const draw = (line: readonly string[]): string =>
    "  " +
    line
      .map((cell, i) => (i === 0 || line.length === 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ");
  const judged = outcome.judged.map((one) => `  ${mark(one)} ${one.target.text}: ${verdict(one, outcome.row.columns)}`);
  return [outcome.row.title, draw(head), ...lines.map(draw), ...judged, ""].join("\n");
}

function mark({ target, met }: Judged): string {
  if (met === undefined) return "-";
  return met ? "✓" : target.aim ? "·" : "✗";
}

function markdownTable({ head, lines }: Table): string[] {
  const draw = (line: readonly string[]): string => `| ${head.map((_, i) => line[i] ?? "").join(" | ")} |`;
  return [draw(head), draw(head.map((_, i) => (i === 0 ? "---" : "--:"))), ...lines.map(draw)];
}

function summary(outcomes: readonly Outcome[]): string[] {
  const lines = outcomes.flatMap(({ row, judged }) =>
    judged.map((one) => [row.title, one.target.text, verdict(one, row.columns)]),
  );
  return markdownTable({ head: ["what", "at least", "found"], lines });
}

/** What was set for each contender, once; one that takes part in several ways has the same settings in all. */
function settings(outcomes: readonly Outcome[]): string[] {
  const found = new Map(outcomes.flatMap(({ row }) => row.entries.map((entry) => [entry.name, entry.settings] as const)));
  return [...found].map(([name, text]) => `- ${name}: ${text}`);
}

/** What the machine is, without saying which. */
function machine({ syncUs }: Circumstances): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const memory = Math.round(totalmem() / 2 ** 30);
  const sync = Number.isNaN(syncUs) ? "" : `, a 4 KiB write and fdatasync takes ${format(syncUs, 0)} µs (median)`;
  return `${availableParallelism()} × ${model}, ${memory} GiB, ${process.platform} ${process.arch}${sync}`;
}

/** The whole of RESULTS.md. */
export function markdown(outcomes: readonly Outcome[], circumstances: Circumstances): string {
  const { date, quick, minutes, versions } = circumstances;
  const shown = [...versions].map(([name, version]) => `${name} ${version}`).join(", ");
  const lines = [
    "# Benchmark results",
    "",
    "Written by `npm run bench`; not edited by hand. How it measures is in [README.md](README.md).",
    "",
    `- Date: ${date}${quick ? "; a quick run with small sizes, good for a look only" : ""}; it took ${format(minutes, 0)} minutes.`,
    `- Machine: ${machine(circumstances)}. Everything, producers and workers, shares it.`,
    `- Versions: ${shown}.`,
    "- Figures are medians over the rounds; the spread is the least and the greatest of the first column. A ratio is the median of the ratios of the single",
    "  rounds, counted so that more than 1 × is better for manyhands.",
    "",
    "## What it must reach",
    "",
    ...summary(outcomes),
  ];
  for (const outcome of outcomes) {
    lines.push("", `## ${outcome.row.title}`, "", outcome.row.work, "", ...markdownTable(table(outcome)));
  }
  lines.push("", "## Settings", "", ...settings(outcomes));
  return `${lines.join("\n")}\n`;
}

/** The same for programs. */
export function json(outcomes: readonly Outcome[], circumstances: Circumstances): unknown {
  return {
    ...circumstances,
    machine: machine(circumstances),
    versions: Object.fromEntries(circumstances.versions),
    rows: outcomes.map(({ row, measured, judged }) => ({
      id: row.id,
      title: row.title,
      work: row.work,
      contenders: measured.map(({ entry, rounds, skipped }) => ({ name: entry.name, settings: entry.settings, skipped, rounds })),
      targets: judged.map(({ target, value, met }) => ({
        text: target.text,
        aim: target.aim ?? false,
        bound: target.bound,
        value,
        met,
      })),
    })),
  };
}
