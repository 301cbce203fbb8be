// The rounds at the end of each verb in which jobs pass their gates; see `../gate.ts` for what they mean. A gate is a row; who stands before
// it is found by the index job_line. A gate whose job leaves and whose next one comes in the same step is not written at all.
import type { Bucket } from "../gate.ts";
import { forgetAt, giveBack, lookAt, pass, refill } from "../gate.ts";
import type { Gate } from "../job.ts";
import { isDueSoon } from "../machine.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import type { GateColumns, GateRow } from "./gate-row.ts";
import { deleteGate, gateColumns, saveGate, toGate } from "./gate-row.ts";
import type { Walker } from "./places.ts";
import { gateOf } from "./places.ts";
import { gatesIn } from "./rest.ts";

// Of interest only when there are others behind the one it stands before.
const gatesAhead = "iif(job.ahead > 1, job.gates, NULL)";
// Most gates that are opened have one place: the one that was given back.
const withHead = `
  SELECT ${gateColumns}, job.seq, ${gatesAhead}, job.ahead FROM json_each(?) AS asked CROSS JOIN gate ON gate.name = asked.value
  LEFT JOIN job ON job.seq = (SELECT one.seq FROM job AS one WHERE one.gate = gate.name ORDER BY one.rank, coalesce(one.age, one.seq), one.seq LIMIT 1)`;
// Between the seqs of two jobs there is room for a million rounds. Jobs of one round have one age, and stand in the order of their seqs.
const ageStep = 2 ** -20;

const heads = `
  SELECT asked.value, job.seq, ${gatesAhead}, job.ahead FROM json_each(?) AS asked CROSS JOIN job ON job.seq IN (
    SELECT one.seq FROM job AS one WHERE one.gate = asked.value ORDER BY one.rank, coalesce(one.age, one.seq), one.seq LIMIT ?
  ) ORDER BY asked.key, job.rank, coalesce(job.age, job.seq), job.seq`;
type Head = readonly [gate: string, seq: number, gates: string | null, ahead: number];
type NoHead = readonly [seq: null, gates: null, ahead: null];
type GateAndHead = readonly [...GateColumns, ...([seq: number, gates: string | null, ahead: number] | NoHead)];

const walkOn = "UPDATE job SET gate = ?, ahead = ?, age = ? WHERE seq = ?";
const goThrough = `
  UPDATE job SET state = 'ready', gate = NULL, ahead = 0, ready_at = ?, age = ? WHERE seq IN (SELECT value FROM json_each(?))`;
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
      for (const [name, places] of returned) {
        const gate = this.#gates.get(name);
        if (gate) giveBack(gate, places, this.#now);
      }
      returned.clear();
      for (const walker of joining) this.#join(gateOf(walker));
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
    if (onward.length + through.length === 0) return;
    const age = this.#nextAge();
    for (const walker of onward) this.#walkOn(walker, age);
    if (through.length > 0) this.#makeReady(through, age);
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

  #nextAge(): number {
    const age = lastAge(this.#db) + ageStep;
    this.#db.run("UPDATE tally SET age = ?", age);
    this.#effects.seqsAreLater = false;
    return age;
  }

  #walkOn(walker: Walker, age: number): void {
    this.#db.run(walkOn, gateOf(walker).name, walker.ahead, age, walker.seq);
    this.#effects.walkers.push(walker);
  }

  #makeReady(through: readonly number[], age: number): void {
    this.#db.run(goThrough, this.#now, age, JSON.stringify(through));
    this.#effects.ready = true;
  }

  #save(): void {
    for (const gate of this.#gates.values()) {
      const { name, everyMs, held } = gate;
      const before = this.#before.get(name);
      // Who names it anew makes it anew.
      if (held === 0 && everyMs === null) {
        if (before) deleteGate(this.#db, name);
        continue;
      }
      gate.forgetAt = held === 0 ? forgetAt(gate) : null;
      if (saveGate(this.#db, gate, before)) this.#effects.scheduled ||= isDueSoon(gate.lookAt, this.#now);
    }
  }
}

/** The last age given to a job, or the seq of the job added last, whichever is later. */
function lastAge(db: Connection): number {
  return db.get<{ age: number }>("SELECT max(age, (SELECT max(seq) FROM job)) AS age FROM tally")?.age ?? 0;
}

/** Lets jobs pass their gates that can, until nothing moves. Called at the end of each verb. */
export function openGates(db: Connection, effects: Effects, now: number): void {
  if (effects.walkers.length > 0 || effects.returned.size > 0) new Rounds(db, effects, now).run();
}
