// Tables for people: aligned columns, no lines drawn. Only on a terminal are rows cut to its width; what another program reads
// is never shortened.
import type { Output } from "./output.ts";

/** One column. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** The text on one line, without characters that could play tricks on a terminal: it may come from anywhere. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s*\p{Cc}+\s*/gu, " ");
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** Prints the rows below the titles. */
export function printTable(output: Output, columns: readonly Column[], cells: readonly (readonly string[])[]): void {
  const rows = cells.map((row) => row.map(oneLine));
  const widths = columns.map(({ title }, i) => rows.reduce((most, row) => Math.max(most, row[i]?.length ?? 0), title.length));
  const lay = (cells: readonly string[]): string => {
    const padded = columns.map(({ align }, i) => {
      const cell = cells[i] ?? "";
      return align === "right" ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
    });
    const line = padded.join("  ").trimEnd();
    return output.terminal ? cut(line, output.columns) : line;
  };
  output.line(output.paint("dim", lay(columns.map(({ title }) => title))));
  for (const row of rows) output.line(lay(row));
}

/** Prints names with their values, one a line. Values of several lines are indented below their name. */
export function printFacts(output: Output, facts: readonly (readonly [name: string, value: string])[]): void {
  const width = facts.reduce((most, [name]) => Math.max(most, name.length), 0);
  for (const [name, value] of facts) {
    const [first = "", ...rest] = value.split("\n");
    output.line(`${output.paint("dim", name.padEnd(width))}  ${first}`);
    for (const line of rest) output.line(`${" ".repeat(width)}  ${line}`);
  }
}

/** A count for people: 1,234. */
export function showCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** A number with its noun: "1 job", "1,234 jobs". */
export function plural(count: number, noun: string, many: string = `${noun}s`): string {
  return `${showCount(count)} ${count === 1 ? noun : many}`;
}

/** A size for people: 1.4 MB. */
export function showBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}
