// How far a map is: a bar at the bottom of a terminal, or a line every few seconds where standard error goes to a file. The rate is
// that of the last seconds, so it follows when inputs become slower; results reused from an earlier run do not count in it.
import { showMs } from "../../core/durations.ts";
import type { Runtime, Timer } from "../../core/runtime.ts";
import type { Output } from "../output.ts";
import { showCount } from "../table.ts";

const redrawMs = 100;
const lineMs = 10_000;
const rateMs = 10_000;
const barCells = 24;

/** What has been done so far. */
export interface Tally {
  done: number;
  failed: number;
  /** Of those done, how many were recorded by an earlier run. */
  reused: number;
  /** Inputs in all, where that is known. */
  readonly total: number | undefined;
}

/** One line about the state of a map; `columns` is the room there is, if it must fit. */
export function progressLine(tally: Tally, perSecond: number, workers: string, columns?: number): string {
  const { done, failed, total } = tally;
  const ended = done + failed;
  const parts: string[] = [];
  if (total === undefined) parts.push(`${showCount(ended)} done`);
  else {
    const percent = total === 0 ? 100 : Math.floor((ended / total) * 100);
    parts.push(`${showCount(ended)}/${showCount(total)}`, `${percent} %`);
  }
  if (perSecond > 0) parts.push(`${perSecond < 10 ? perSecond.toFixed(1) : showCount(Math.round(perSecond))}/s`);
  if (total !== undefined && perSecond > 0 && ended < total) parts.push(`${showMs(((total - ended) / perSecond) * 1000)} left`);
  if (failed > 0) parts.push(`${showCount(failed)} failed`);
  parts.push(workers);
  const text = parts.join("  ");
  if (columns === undefined) return text;
  const cells = Math.min(barCells, columns - text.length - 4);
  if (total === undefined || cells < 5) return text.slice(0, columns - 1);
  const full = Math.round((total === 0 ? 1 : ended / total) * cells);
  return `${"█".repeat(full)}${"░".repeat(cells - full)}  ${text}`;
}

/** Shows a tally while it changes. */
export class ProgressDisplay {
  readonly #output: Output;
  readonly #runtime: Runtime;
  readonly #tally: Tally;
  readonly #workers: string;
  readonly #samples: (readonly [elapsed: number, ran: number])[] = [];
  #timer: Timer | undefined;

  constructor(output: Output, runtime: Runtime, tally: Tally, workers: string) {
    this.#output = output;
    this.#runtime = runtime;
    this.#tally = tally;
    this.#workers = workers;
  }

  /** Begins to show. */
  start(): void {
    this.#sample();
    const bar = this.#output.canShowStatus;
    const show = (): void => {
      const line = progressLine(this.#tally, this.#sample(), this.#workers, bar ? this.#output.columns : undefined);
      if (bar) this.#output.status(line);
      else this.#output.note(line);
      this.#timer = this.#runtime.after(bar ? redrawMs : lineMs, show, { background: true });
    };
    this.#timer = this.#runtime.after(bar ? redrawMs : lineMs, show, { background: true });
  }

  /** Ends and takes the bar away. */
  stop(): void {
    this.#timer?.cancel();
    this.#output.status("");
  }

  /** Inputs run per second, lately. */
  #sample(): number {
    const { done, failed, reused } = this.#tally;
    const now = this.#runtime.elapsed();
    const ran = done + failed - reused;
    this.#samples.push([now, ran]);
    while (this.#samples.length > 2 && now - (this.#samples[0]?.[0] ?? now) > rateMs) this.#samples.shift();
    const [since, before] = this.#samples[0] ?? [now, ran];
    return now > since ? ((ran - before) / (now - since)) * 1000 : 0;
  }
}
