// Gates that are looked at because a time has come, and gates as people see them.
import { forgetAt } from "../gate.ts";
import type { StoredGate } from "../store.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import type { GateRow } from "./gates.ts";
import { gateColumns, gateRows } from "./gates.ts";

/** Gates to be looked at. */
export const dueGates = "SELECT name FROM gate WHERE look_at IS NOT NULL AND look_at <= ? ORDER BY look_at, name LIMIT ?";
/** Gates that may be as good as new ones. */
export const oldGates = `SELECT ${gateColumns} FROM gate WHERE forget_at IS NOT NULL AND forget_at <= ? LIMIT ?`;
const nextLook = "SELECT look_at AS at FROM gate WHERE look_at IS NOT NULL ORDER BY look_at LIMIT 1";
const waiting = "SELECT count(*) AS count FROM job WHERE gate = ?";

/** When the next gate wants to be looked at. */
export function nextLookAt(db: Connection): number | null {
  return db.get<{ at: number }>(nextLook)?.at ?? null;
}

function countWaiting(db: Connection, name: string): number {
  return db.get<{ count: number }>(waiting, name)?.count ?? 0;
}

/** Notes the gates whose time has come for the rounds of this verb, and forgets those that nobody needs any more. */
export function lookAtDue(db: Connection, effects: Effects, now: number, limit: number): void {
  const { returned, walkers } = effects;
  const touched = gateRows(db, returned.keys());
  for (const { name } of db.all<{ name: string }>(dueGates, now, limit)) returned.set(name, returned.get(name) ?? 0);
  const old = new Map([...touched, ...db.all<GateRow>(oldGates, now, -1)].map((gate) => [gate.name, gate]));
  for (const gate of old.values()) {
    if (gate.held !== (returned.get(gate.name) ?? 0) || forgetAt(gate) > now) continue;
    // Those that have just walked up to it are not there yet.
    const joining = walkers.filter(({ gates, passed }) => gates[passed]?.name === gate.name).length;
    if (countWaiting(db, gate.name) > joining) continue;
    db.run("DELETE FROM gate WHERE name = ?", gate.name);
    returned.delete(gate.name);
  }
}

// Those that have a place: ready, in a worker's hands, or standing before a later gate.
const holders = `
  SELECT id, gates, passed FROM job INDEXED BY job_placed WHERE passed <> 0 AND prune_at IS NULL AND gates IS NOT NULL ORDER BY seq`;

/** See `Store.gates`. */
export function gates(db: Connection, names: readonly string[]): StoredGate[] {
  return gateRows(db, new Set(names)).flatMap(({ name, room, everyMs, held, lookAt: nextAt }) => {
    const waits = countWaiting(db, name);
    if (held === 0 && waits === 0) return [];
    return { name, room, everyMs, held, waiting: waits, nextAt, holders: [] };
  });
}
