// The rounds at the end of each verb in which jobs pass their gates; see `../gate.ts` for what they mean. A gate is a row; who stands before
// it is found by the index job_line, and who has a place there is told by how many gates a job has passed, so that
// a place costs no row of its own. A gate whose job leaves and whose next one comes in the same step is not written at all.
import type { SQLInputValue } from "node:sqlite";
import type { Bucket } from "../gate.ts";
import { forgetAt, lookAt, pass, refill } from "../gate.ts";
import type { Gate } from "../job.ts";
import { isDueSoon } from "../machine.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
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

/** A gate as it is stored. */
export interface GateRow extends Bucket {
  readonly name: string;
  lookAt: number | null;
  forgetAt: number | null;
}

/** Columns of a gate, for {@link gatesBy}. */
export const gateColumns = "gate.name, gate.room, gate.every_ms, gate.held, gate.tokens, gate.at, gate.look_at, gate.forget_at";

// Most gates that are opened have one place: the one that was given back.
const withHead = `
  SELECT ${gateColumns}, job.seq, job.gates, job.ahead FROM json_each(?) AS asked CROSS JOIN gate ON gate.name = asked.value
  LEFT JOIN job ON job.seq = (SELECT one.seq FROM job AS one WHERE one.gate = gate.name ORDER BY one.rank, one.seq LIMIT 1)`;
const named = `SELECT ${gateColumns} FROM json_each(?) AS asked CROSS JOIN gate ON gate.name = asked.value`;

type GateColumns = [
  name: string,
  room: number,
  everyMs: number | null,
  held: number,
  tokens: number,
  at: number,
  lookAt: number | null,
  forgetAt: number | null,
];

function toGate([name, room, everyMs, held, tokens, at, look, forget]: readonly [...GateColumns, ...unknown[]]): GateRow {
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

// Between the seqs of two jobs there is room for a million rounds. Jobs of one round have one age, and stand in the order of their seqs.
const ageStep = 2 ** -20;

const heads = `
  SELECT asked.value, job.seq, job.gates, job.ahead FROM json_each(?) AS asked CROSS JOIN job ON job.seq IN (
    SELECT one.seq FROM job AS one WHERE one.gate = asked.value ORDER BY one.rank, one.seq LIMIT ?
  ) ORDER BY asked.key, job.rank, job.seq`;
type Head = readonly [gate: string, seq: number, gates: string, ahead: number];
type NoHead = readonly [seq: null, gates: null, ahead: null];
type GateAndHead = readonly [...GateColumns, ...([seq: number, gates: string, ahead: number] | NoHead)];

const walkOn = "UPDATE job SET gate = ?, ahead = ? WHERE seq = ?";
const goThrough = `
  UPDATE job SET state = 'ready', gate = NULL, ahead = 0, ready_at = ?, age = ? WHERE seq IN (SELECT value FROM json_each(?))`;
const store = `
  INSERT INTO gate (name, room, every_ms, held, tokens, at, look_at, forget_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
    SET room = excluded.room, every_ms = excluded.every_ms, held = excluded.held, tokens = excluded.tokens, at = excluded.at,
      look_at = excluded.look_at, forget_at = excluded.forget_at`;

/** How many of those that stand before a gate must be looked at: who may pass, and by tokens whether anyone is left. */
function reach(gate: Bucket): number {
  const free = gate.room - gate.held;
  if (free <= 0) return 0;
  return gate.everyMs === null ? free : Math.min(free, Math.floor(gate.tokens)) + 1;
}

class Rounds {
  readonly #db: Connection;
  readonly #effects: Effects;
  readonly #now: number;
  readonly #gates = new Map<string, GateRow>();
  /** As they are stored. */
  readonly #before = new Map<string, GateRow>();
  /** Who stands first before the gates that have just been read. */
  readonly #heads = new Map<string, Head | null>();

  constructor(db: Connection, effects: Effects, now: number) {
    this.#db = db;
    this.#effects = effects;
    this.#now = now;
  }

  run(): void {
    const { walkers, returned } = this.#effects;
    while (walkers.length > 0 || returned.size > 0) {
      const joining = walkers.splice(0).sort((a, b) => a.seq - b.seq);
      const moved = new Set(returned.keys());
      for (const walker of joining) moved.add(gateOf(walker).name);
      this.#load(moved);
      for (const walker of joining) this.#join(gateOf(walker));
      for (const [name, count] of returned) {
        const gate = this.#gates.get(name);
        if (gate) gate.held -= count;
      }
      returned.clear();
      this.#open([...moved].flatMap((name) => this.#gates.get(name) ?? []));
    }
    this.#save();
  }

  #load(names: ReadonlySet<string>): void {
    const missing = [...names].filter((name) => !this.#gates.has(name));
    if (missing.length === 0) return;
    for (const row of this.#db.lists<GateAndHead>(withHead, JSON.stringify(missing))) {
      const [name] = row;
      this.#gates.set(name, toGate(row));
      this.#before.set(name, toGate(row));
      this.#heads.set(name, row[8] === null ? null : [name, row[8], row[9], row[10]]);
    }
  }

  #join({ name, room, everyMs }: Gate): void {
    const gate = this.#gates.get(name);
    if (gate) Object.assign(gate, { room, everyMs });
    else this.#gates.set(name, { name, room, everyMs, held: 0, tokens: room, at: this.#now, lookAt: null, forgetAt: null });
  }

  #open(gates: readonly GateRow[]): void {
    const byReach = new Map<number, GateRow[]>();
    for (const gate of gates) {
      refill(gate, this.#now);
      gate.lookAt = null;
      const most = reach(gate);
      const alike = byReach.get(most);
      if (alike) alike.push(gate);
      else byReach.set(most, [gate]);
    }
    byReach.delete(0);
    const through: number[] = [];
    const onward: Walker[] = [];
    for (const [most, alike] of byReach) {
      for (const [name, seq, gates, ahead] of this.#headsOf(alike, most)) {
        const gate = this.#gates.get(name) as GateRow;
        if (!pass(gate)) gate.lookAt = lookAt(gate, this.#now);
        else if (ahead === 1) through.push(seq);
        else onward.push({ seq, gates: gatesIn(gates), ahead: ahead - 1 });
      }
    }
    this.#heads.clear();
    // Not before all have been opened: who passes here comes to the next in the next round.
    for (const walker of onward) this.#walkOn(walker);
    if (through.length > 0) this.#makeReady(through);
  }

  /** Those that stand before these gates, at most so many of each, first those that are first. */
  #headsOf(gates: readonly GateRow[], most: number): readonly Head[] {
    const read: Head[] = [];
    const unread: string[] = [];
    for (const { name } of gates) {
      const head = most === 1 ? this.#heads.get(name) : undefined;
      if (head) read.push(head);
      else if (head === undefined) unread.push(name);
    }
    return unread.length === 0 ? read : [...read, ...this.#db.lists<Head>(heads, JSON.stringify(unread), most)];
  }

  #walkOn(walker: Walker): void {
    this.#db.run(walkOn, gateOf(walker).name, walker.ahead, walker.seq);
    this.#effects.walkers.push(walker);
  }

  #makeReady(through: readonly number[]): void {
    const age = lastAge(this.#db) + ageStep;
    this.#db.run(goThrough, this.#now, age, JSON.stringify(through));
    this.#db.run("UPDATE tally SET age = ?", age);
    Object.assign(this.#effects, { ready: true, seqsAreLater: false });
  }

  #save(): void {
    for (const gate of this.#gates.values()) {
      const { name, room, everyMs, held, tokens, at } = gate;
      const before = this.#before.get(name);
      // Who names it anew makes it anew.
      if (held === 0 && everyMs === null) {
        if (before) this.#db.run("DELETE FROM gate WHERE name = ?", name);
        continue;
      }
      gate.forgetAt = held === 0 ? forgetAt(gate) : null;
      if (before && areEqual(before, gate)) continue;
      this.#db.run(store, name, room, everyMs, held, tokens, at, gate.lookAt, gate.forgetAt);
      this.#effects.scheduled ||= isDueSoon(gate.lookAt, this.#now);
    }
  }
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

/** The last age given to a job, or the seq of the job added last, whichever is later. */
function lastAge(db: Connection): number {
  return db.get<{ age: number }>("SELECT max(age, (SELECT max(seq) FROM job)) AS age FROM tally")?.age ?? 0;
}

/** Lets jobs pass their gates that can, until nothing moves. Called at the end of each verb. */
export function openGates(db: Connection, effects: Effects, now: number): void {
  if (effects.walkers.length > 0 || effects.returned.size > 0) new Rounds(db, effects, now).run();
}
