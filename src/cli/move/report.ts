// What a move says at its end.
import type { Cli } from "../command.ts";
import { toJson } from "../json.ts";
import { plural, printTable, showCount } from "../table.ts";
import type { Comparison } from "./comparison.ts";

/** How many jobs people are told by name; JSON has all. */
export const mostNamed = 20;

/** How a move ended. */
export interface MoveReport {
  /** The stores, without passwords. */
  readonly from: string;
  readonly to: string;
  /** How many jobs were written now; the others of the source were there already. */
  readonly copied: number;
  /** How many schedules were written now. */
  readonly schedules: number;
  readonly paused: readonly string[];
  readonly comparison: Comparison;
  /** Jobs were submitted to the source meanwhile, or it went on. */
  readonly changed: boolean;
  /** Workers have begun in the destination before the move was over. */
  readonly begun: boolean;
}

/** True when everything is in the destination, and the source stood still. */
export function isComplete({ comparison, changed }: MoveReport): boolean {
  return comparison.agrees && !changed;
}

function printJson({ output }: Cli, report: MoveReport): void {
  const { comparison, ...facts } = report;
  const { cells: states, counts, named } = comparison;
  output.line(toJson({ ...facts, complete: isComplete(report), counts, states, named }));
}

function printCells({ output }: Cli, { comparison, paused }: MoveReport): void {
  const right = { align: "right" as const };
  const columns = [{ title: "QUEUE" }, { title: "STATE" }, { title: "SOURCE", ...right }, { title: "DESTINATION", ...right }];
  const rows = comparison.cells.map(({ queue, state, source, destination }) => [
    paused.includes(queue) ? `${queue} (paused)` : queue,
    state,
    showCount(source),
    showCount(destination),
  ]);
  if (rows.length > 0) printTable(output, columns, rows);
}

const tooEarly =
  "The move is not complete, and jobs have gone on in the destination. One that is missing may have been done and deleted there, and would " +
  "run again if it were copied again: submit there what was not done.";

/** What to do about a move that is not complete. Copying again what may have been done already is none of it. */
export function nextStep({ comparison: { counts }, begun }: MoveReport): string {
  return begun || counts.further > 0
    ? tooEarly
    : "The move is not complete. Run the same command again; what is there already stays.";
}

function explain({ output }: Cli, report: MoveReport): void {
  const { counts, named } = report.comparison;
  if (counts.missing > 0) {
    const are = counts.missing === 1 ? "is" : "are";
    output.warn(
      `${plural(counts.missing, "job")} of the source ${are} not in the destination: added since the others were copied, or done and deleted there.`,
    );
  }
  if (counts.different > 0) {
    const are = counts.different === 1 ? "is" : "are";
    output.warn(
      `${plural(counts.different, "job")} ${are} not as in the source, which went on after the copy. Cancel in the destination what must not run again.`,
    );
  }
  const names = named
    .slice(0, mostNamed)
    .map(({ id, source, destination }) => `${id} (source: ${source}, destination: ${destination ?? "none"})`);
  if (names.length > 0) output.warn(`Among them: ${names.join(", ")}.`);
  if (report.changed) output.warn("The source changed while it was moved: something submits to it, or works on it. Stop that.");
  output.warn(nextStep(report));
}

function summarize({ output }: Cli, { copied, schedules, comparison: { counts }, from }: MoveReport): void {
  const all = counts.same + counts.further;
  const before = all > copied ? `, ${showCount(all - copied)} were there already` : "";
  output.note(`${plural(all, "job")}: ${showCount(copied)} copied${before}. All are in the destination.`);
  if (schedules > 0) output.note(`${plural(schedules, "schedule")} copied.`);
  if (counts.further > 0) output.note(`${plural(counts.further, "job")} went on there meanwhile.`);
  output.note(`${from} is as it was. Use it no more; then delete it.`);
}

/** Prints how a move ended. */
export function print(cli: Cli, report: MoveReport): void {
  if (cli.output.json) printJson(cli, report);
  else printCells(cli, report);
  if (!isComplete(report)) explain(cli, report);
  else if (!cli.output.json) summarize(cli, report);
}
