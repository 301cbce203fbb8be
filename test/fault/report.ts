// The numbers of runs, as lines of a table.
import type { RunReport } from "./run.ts";

type Column = readonly [name: string, of: (report: RunReport) => number | string];

const columns: readonly Column[] = [
  ["store", ({ kind }) => kind],
  ["seed", ({ seed }) => seed],
  ["seconds", ({ seconds }) => Math.round(seconds)],
  ["drain s", ({ drainMs }) => (drainMs / 1000).toFixed(1)],
  ["jobs", ({ counts }) => counts.jobs],
  ["joins", ({ counts }) => counts.joins],
  ["acked", ({ counts }) => counts.acknowledged],
  ["same key", ({ counts }) => counts.existing],
  ["unacked", ({ counts }) => counts.unacknowledged],
  ["failed", ({ counts }) => counts.failed],
  ["poison", ({ counts }) => counts.setAside],
  ["kills", ({ faults }) => faults.kill],
  ["ends", ({ faults }) => faults.end],
  ["stops", ({ faults }) => faults.stop],
  ["restarts", ({ faults }) => faults.restart],
  ["pauses", ({ faults }) => faults.pause],
  ["cuts", ({ faults }) => faults.cut + faults.refuse + faults.traffic],
  ["partitions", ({ faults }) => faults.partition],
  ["repeated", ({ counts }) => counts.repeated],
  ["refused", ({ counts }) => counts.refused],
  ["leases lost", ({ counts }) => counts.leasesLost],
  ["outage s", ({ counts }) => (counts.longestOutageMs / 1000).toFixed(1)],
  ["looks", ({ looks }) => looks],
  ["violations", ({ violations }) => violations.length],
];

function width([name]: Column): number {
  return Math.max(name.length, 7);
}

/** The names of the columns. */
export function heading(): string {
  return columns.map((column) => column[0].padStart(width(column))).join("  ");
}

/** One run. */
export function row(report: RunReport): string {
  return columns.map((column) => String(column[1](report)).padStart(width(column))).join("  ");
}

/** All runs together. */
export function totals(reports: readonly RunReport[]): string {
  const sum = (of: (report: RunReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const parts = [
    `${reports.length} runs`,
    `${sum(({ counts }) => counts.jobs)} jobs`,
    `${sum(({ faults }) => Object.values(faults).reduce((all, one) => all + one, 0))} faults`,
    `${sum(({ counts }) => counts.repeated)} effects repeated`,
    `${sum(({ counts }) => counts.refused)} outcomes refused`,
    `${sum(({ violations }) => violations.length)} violations`,
  ];
  return `Together: ${parts.join(", ")}.`;
}
