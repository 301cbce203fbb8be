// Gates as they are stored.
import type { SQLInputValue } from "node:sqlite";
import type { Bucket } from "../gate.ts";
import type { Connection } from "./connection.ts";

/** A gate as it is stored. */
export interface GateRow extends Bucket {
  readonly name: string;
  lookAt: number | null;
  forgetAt: number | null;
}

/** Columns of a gate, for {@link gatesBy}. */
export const gateColumns: string =
  "gate.name, gate.room, gate.every_ms, gate.held, gate.tokens, gate.at, gate.look_at, gate.forget_at";

const named = `SELECT ${gateColumns} FROM json_each(?) AS asked CROSS JOIN gate ON gate.name = asked.value`;

/** A row read with {@link gateColumns}. */
export type GateColumns = [
  name: string,
  room: number,
  everyMs: number | null,
  held: number,
  tokens: number,
  at: number,
  lookAt: number | null,
  forgetAt: number | null,
];

/** The gate in a row that begins with {@link gateColumns}. */
export function toGate([name, room, everyMs, held, tokens, at, look, forget]: readonly [...GateColumns, ...unknown[]]): GateRow {
  return { name, room, everyMs, held, tokens, at, lookAt: look, forgetAt: forget };
}

/** The gates that this SQL gives. */
export function gatesBy(db: Connection, sql: string, ...params: SQLInputValue[]): GateRow[] {
  return db.lists<GateColumns>(sql, ...params).map(toGate);
}

/** Those of these gates that are stored. */
export function gateRows(db: Connection, names: Iterable<string>): GateRow[] {
  return gatesBy(db, named, JSON.stringify([...names]));
}

const write = `
  INSERT INTO gate (name, room, every_ms, held, tokens, at, look_at, forget_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
    SET room = excluded.room, every_ms = excluded.every_ms, held = excluded.held, tokens = excluded.tokens, at = excluded.at,
      look_at = excluded.look_at, forget_at = excluded.forget_at`;

/** Writes a gate, unless it is as it was before. Returns whether it did. */
export function saveGate(db: Connection, gate: GateRow, before: GateRow | undefined): boolean {
  if (before && areEqual(before, gate)) return false;
  const { name, room, everyMs, held, tokens, at } = gate;
  db.run(write, name, room, everyMs, held, tokens, at, gate.lookAt, gate.forgetAt);
  return true;
}

/** Forgets a gate. */
export function deleteGate(db: Connection, name: string): void {
  db.run("DELETE FROM gate WHERE name = ?", name);
}

function areEqual(a: GateRow, b: GateRow): boolean {
  return (
    a.room === b.room &&
    a.everyMs === b.everyMs &&
    a.held === b.held &&
    a.tokens === b.tokens &&
    a.at === b.at &&
    a.lookAt === b.lookAt &&
    a.forgetAt === b.forgetAt
  );
}
