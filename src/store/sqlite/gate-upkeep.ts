// Gates that are looked at because a time has come, and gates as people see them.
import { forgetAt, giveBack } from "../gate.ts";
import type { StoredGate } from "../store.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { deleteGate, gateColumns, gateRows, gatesBy } from "./gate-row.ts";
import { gateOf } from "./places.ts";

/** Gates to be looked at. */
export const dueGates = "SELECT name FROM gate WHERE look_at IS NOT NULL AND look_at <= ? ORDER BY look_at, name LIMIT ?";
/** Gates that may be as good as new ones. */
export const oldGates = `SELECT ${gateColumns} FROM gate WHERE forget_at IS NOT NULL AND forget_at <= ? LIMIT ?`;
const mostForgotten = 1000;
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
  const old = new Map([...touched, ...gatesBy(db, oldGates, now, mostForgotten)].map((gate) => [gate.name, gate]));
  for (const gate of old.values()) {
    const places = returned.get(gate.name) ?? 0;
    if (places > 0) giveBack(gate, places, now);
    if (gate.held !== 0 || forgetAt(gate) > now) continue;
    // Those that have just walked up to it are not there yet.
    const joining = walkers.filter((walker) => gateOf(walker).name === gate.name).length;
    if (countWaiting(db, gate.name) > joining) continue;
    deleteGate(db, gate.name);
    returned.delete(gate.name);
  }
}

// A job has a place of a gate that it has passed; once started, only of those it keeps until it stops.
const hasPlace = `EXISTS (
  SELECT 1 FROM json_each(gates) AS own WHERE own.value ->> 0 = ?1
    AND iif(ahead < 0, own.value ->> 3 = 'stopped', own.key < json_array_length(gates) - ahead))`;
// No index holds those that have places, which would cost each of them more than a look here and there is worth: so only so many of the
// ready ones, and of those before a later gate, are looked at.
const mostLookedAt = 10_000;
const holders = `
  SELECT id FROM (
    SELECT seq, id FROM job INDEXED BY job_held
      WHERE worker IS NOT NULL AND prune_at IS NULL AND gates IS NOT NULL AND ${hasPlace}
    UNION ALL SELECT seq, id FROM job
      WHERE seq IN (SELECT seq FROM job INDEXED BY job_ready WHERE state = 'ready' LIMIT ${mostLookedAt}) AND gates IS NOT NULL AND ${hasPlace}
    UNION ALL SELECT seq, id FROM job
      WHERE seq IN (SELECT seq FROM job INDEXED BY job_line WHERE gate IS NOT NULL LIMIT ${mostLookedAt}) AND ${hasPlace}
  ) ORDER BY seq LIMIT 10`;

/** See `Store.gates`. */
export function gates(db: Connection, names: readonly string[]): StoredGate[] {
  return gateRows(db, new Set(names)).flatMap(({ name, room, everyMs, held, lookAt: nextAt }) => {
    const waits = countWaiting(db, name);
    if (held === 0 && waits === 0) return [];
    const ids = held === 0 ? [] : db.all<{ id: string }>(holders, name).map(({ id }) => id);
    return { name, room, everyMs, held, waiting: waits, nextAt, holders: ids };
  });
}
