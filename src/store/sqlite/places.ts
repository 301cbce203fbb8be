// The places that jobs have at gates, and give back. Who has a place is told by how many of its gates are still ahead of a job, so that a
// place costs no row of its own.
import type { Gate } from "../job.ts";
import type { Effects } from "./commits.ts";
import { gatesIn } from "./rest.ts";

/** A job that has come to stand before one of its gates. */
export interface Walker {
  readonly seq: number;
  readonly gates: readonly Gate[];
  /** How many of them it has still to pass. */
  readonly ahead: number;
}

/** The gate a job stands before. */
export function gateOf({ gates, ahead }: Walker): Gate {
  return gates[gates.length - ahead] as Gate;
}

function giveBack(effects: Effects, { name }: Gate): void {
  effects.returned.set(name, (effects.returned.get(name) ?? 0) + 1);
}

/** Gives back the places that a job keeps until it starts, when it does so for the first time since it passed. */
export function giveBackAtStart(effects: Effects, gates: string): void {
  // Most have no such place, and need not be taken apart.
  if (!gates.includes('"started"')) return;
  for (const gate of gatesIn(gates)) if (gate.until === "started") giveBack(effects, gate);
}

/** Gives back the places that a job has which has started. */
export function giveBackAtStop(effects: Effects, gates: readonly Gate[]): void {
  for (const gate of gates) if (gate.until === "stopped") giveBack(effects, gate);
}

/** Gives back all places that a job has, by how many of its gates are ahead of it; see the column. */
export function giveBackAll(effects: Effects, gates: readonly Gate[], ahead: number | null): void {
  if (ahead === null) return;
  if (ahead < 0) giveBackAtStop(effects, gates);
  else for (const gate of gates.slice(0, gates.length - ahead)) giveBack(effects, gate);
}
