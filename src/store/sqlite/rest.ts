// Where a job that nobody holds comes to rest, and who is to be told of it. One with gates that would become ready walks up to the
// first of them instead: it is written as standing before it at once, and the rounds in `gates.ts` see who may pass.
import type { Gate, NewJob } from "../job.ts";
import { isDueSoon } from "../machine.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";

/** A state in which a job waits. */
export type RestingState = "blocked" | "scheduled" | "ready" | "waiting";

/** What is written of a job at rest. */
export interface Standing {
  readonly state: RestingState;
  readonly gate: string | null;
  readonly ahead: number | null;
}

type GateText = readonly [name: string, room: number, everyMs: number | null, until: Gate["until"]];

const noGates: readonly Gate[] = [];

/** The gates in a job's column. */
export function gatesIn(text: string | null): readonly Gate[] {
  if (text === null) return noGates;
  return (JSON.parse(text) as GateText[]).map(([name, room, everyMs, until]) => ({ name, room, everyMs, until }));
}

/** What stands in a job's column for its gates: short, since it is read and written with every move of the job. */
export function gatesText({ gates }: Pick<NewJob, "gates">): string | null {
  if (gates.length === 0) return null;
  return JSON.stringify(gates.map(({ name, room, everyMs, until }): GateText => [name, room, everyMs, until]));
}

/** What is written of a job with these gates that would rest in this state if it had none. */
export function standing<State extends string>(
  gates: readonly Gate[],
  state: State,
): Omit<Standing, "state"> & { state: State | "blocked" } {
  const first = gates[0];
  if (!first || state !== "ready") return { state, gate: null, ahead: null };
  return { state: "blocked", gate: first.name, ahead: gates.length };
}

/** What must be known of a job that comes to rest. */
export interface Resting {
  readonly seq: number;
  readonly gates: readonly Gate[];
  readonly dueAt: number | null;
}

/** Notes that a job rests from now on, in this state if it had no gates. */
export function rest(effects: Effects, { seq, gates, dueAt }: Resting, state: RestingState, now: number): void {
  if (state === "ready") {
    if (gates.length === 0) effects.ready = true;
    else effects.walkers.push({ seq, gates, ahead: gates.length });
  } else if (state !== "blocked") effects.scheduled ||= isDueSoon(dueAt, now);
}

/** Makes a job that is written as blocked walk up to the first of its gates. */
export function walkUp(db: Connection, effects: Effects, seq: number, gates: readonly Gate[], now: number): void {
  db.run("UPDATE job SET gate = ?, ahead = ?, age = NULL WHERE seq = ?", gates[0]?.name ?? null, gates.length, seq);
  rest(effects, { seq, gates, dueAt: null }, "ready", now);
}
