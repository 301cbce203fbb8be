// How a contender's process talks to the benchmark: it is told what to do in its one argument, as JSON, and gives its
// figures back as the last line it prints.
import type { Figures } from "./row.ts";

/** What this process was told: whatever its row says in `told`. */
export const told: unknown = JSON.parse(process.argv[2] ?? "{}");

/** Prints the figures: its own, or round by round those of each contender it was told of. */
export function give(figures: Figures | readonly (readonly Figures[])[]): void {
  process.stdout.write(`\n${JSON.stringify({ figures })}\n`);
}
