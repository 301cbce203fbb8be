// The rounds at the end of each verb in which jobs pass their gates; see `../gate.ts` for what they mean. A gate is a row; who stands before
// it is found by the index job_line, and who has a place there is told by how many gates a job has passed, so that
// a place costs no row of its own. A gate whose job leaves and whose next one comes in the same step is not written at all.
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
  /** How many of them it has passed. */
  readonly passed: number;
}

function giveBack(effects: Effects, { name }: Gate): void {
  effects.returned.set(name, (effects.returned.get(name) ?? 0) + 1);
}

/** Gives back the places that a job keeps until it starts, when it does so for the first time since it passed. */
export function giveBackAtStart(effects: Effects, gates: readonly Gate[]): void {
  for (const gate of gates) if (gate.until === "started") giveBack(effects, gate);
}

/** How many of its gates a job has passed that has started since: all. */
export const started = -1;

/** Gives back all places that a job has which has passed so many of its gates; see the column. */
export function giveBackAll(effects: Effects, gates: readonly Gate[], passed: number | null): void {
  if (gates.length === 0 || passed === null) return;
  const kept = passed === started ? gates.filter(({ until }) => until === "stopped") : gates.slice(0, passed);
  for (const gate of kept) giveBack(effects, gate);
}

/** A gate as it is stored. */
export interface GateRow extends Bucket {
  readonly name: string;
  lookAt: number | null;
  forgetAt: number | null;
}

/** Columns of a gate. */
export const gateColumns =
  "gate.name, gate.room, gate.every_ms AS everyMs, gate.held, gate.tokens, gate.at, gate.look_at AS lookAt, gate.forget_at AS forgetAt";

const named = `SELECT ${gateColumns} FROM json_each(?) AS asked CROSS JOIN gate ON gate.name = asked.value`;

/** Those of these gates that are stored. */
export function gateRows(db: Connection, names: Iterable<string>): GateRow[] {
  return db.all<GateRow>(named, JSON.stringify([...names])).map((row) => ({ ...row }));
}

const heads = `
  SELECT asked.value, job.seq, job.gates, job.passed FROM json_each(?) AS asked CROSS JOIN job ON job.seq IN (
    SELECT one.seq FROM job AS one WHERE one.gate = asked.value ORDER BY one.rank, one.seq LIMIT ?
  ) ORDER BY asked.key, job.rank, job.seq`;
type Head = readonly [gate: string, seq: number, gates: string, passed: number];

const walkOn = "UPDATE job SET gate = ?, passed = ? WHERE seq = ?";
const goThrough = "UPDATE job SET state = 'ready', gate = NULL, passed = ?, ready_at = ?, age = ? WHERE seq = ?";
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
      for (const { gates, passed } of joining) moved.add((gates[passed] as Gate).name);
      this.#load(moved);
      for (const { gates, passed } of joining) this.#join(gates[passed] as Gate);
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
    for (const row of gateRows(this.#db, missing)) {
      this.#gates.set(row.name, row);
      this.#before.set(row.name, { ...row });
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
    const through: { readonly seq: number; readonly passed: number }[] = [];
    for (const [most, alike] of byReach) {
      const names = JSON.stringify(alike.map(({ name }) => name));
      for (const [name, seq, text, passed] of this.#db.lists<Head>(heads, names, most)) {
        const gate = this.#gates.get(name) as GateRow;
        if (!pass(gate)) gate.lookAt = lookAt(gate, this.#now);
        else {
          const walker = { seq, gates: gatesIn(text), passed: passed + 1 };
          if (walker.passed === walker.gates.length) through.push(walker);
          else this.#walkOn(walker);
        }
      }
    }
    if (through.length > 0) this.#makeReady(through.sort((a, b) => a.seq - b.seq));
  }

  #walkOn(walker: Walker): void {
    this.#db.run(walkOn, (walker.gates[walker.passed] as Gate).name, walker.passed, walker.seq);
    this.#effects.walkers.push(walker);
  }

  #makeReady(through: readonly { readonly seq: number; readonly passed: number }[]): void {
    let age = nextAge(this.#db);
    for (const { seq, passed } of through) this.#db.run(goThrough, passed, this.#now, (age += ageStep), seq);
    this.#db.run("UPDATE tally SET age = ?", age);
    this.#effects.ready = true;
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

// Between the seqs of two jobs there is room for a million ages.
const ageStep = 2 ** -20;

/** The last age given to a job, or the seq of the job added last, whichever is later. */
function nextAge(db: Connection): number {
  return db.get<{ age: number }>("SELECT max(age, (SELECT max(seq) FROM job)) AS age FROM tally")?.age ?? 0;
}

/** Lets jobs pass their gates that can, until nothing moves. Called at the end of each verb. */
export function openGates(db: Connection, effects: Effects, now: number): void {
  if (effects.walkers.length > 0 || effects.returned.size > 0) new Rounds(db, effects, now).run();
}
