// The gates of the memory store, and the lines before them; see `../gate.ts` for what they mean.
import type { Bucket } from "../gate.ts";
import { forgetAt, giveBack, lookAt, pass, refill } from "../gate.ts";
import type { Gate } from "../job.ts";
import { isDueSoon } from "../machine.ts";
import type { StoredGate } from "../store.ts";
import { Line } from "./line.ts";
import type { Row } from "./row.ts";

interface Standing extends Bucket {
  readonly name: string;
  readonly line: Line;
  waiting: number;
  /** Places to be given back. */
  returned: number;
  nextAt: number | null;
}

function gateOf(row: Row): Gate | undefined {
  return row.job.gates[row.passed];
}

/** All gates that matter: someone stands before them, has a place of theirs, or took a token that is not regained yet. */
export class Gates {
  readonly #gates = new Map<string, Standing>();
  #walkers: Row[] = [];
  #moved = new Set<string>();

  /** A job begins its way through its gates. */
  enter(row: Row): void {
    row.passed = 0;
    row.age = row.seq;
    row.hasStarted = false;
    row.job.state = "blocked";
    this.#walkers.push(row);
  }

  /** A job that passed all its gates has started. */
  start(row: Row): void {
    if (row.passed < 0 || row.hasStarted) return;
    row.hasStarted = true;
    for (const gate of row.job.gates) if (gate.until === "started") this.#giveBack(gate);
  }

  /** Gives back all that a job has, and takes it out of the line it stands in. */
  leave(row: Row): void {
    if (row.passed < 0) return;
    for (const gate of row.job.gates.slice(0, row.passed)) if (!row.hasStarted || gate.until === "stopped") this.#giveBack(gate);
    const before = row.job.gate === null ? undefined : this.#gates.get(row.job.gate);
    if (before) before.waiting -= 1;
    row.job.gate = null;
    row.passed = -1;
  }

  /**
   * The rounds: lets pass whom it can; who does gets the next age. `ready` is told of those that have passed all their gates; returns true when a
   * look is due soon.
   */
  settle(now: number, nextAge: () => number, ready: (row: Row) => void): boolean {
    let isSoon = false;
    while (this.#walkers.length > 0 || this.#moved.size > 0) {
      const walkers = this.#walkers.filter(({ job, passed, removed }) => passed >= 0 && job.state === "blocked" && !removed);
      this.#walkers = [];
      this.#takeBack(now);
      for (const row of walkers.sort((a, b) => a.seq - b.seq)) this.#join(row, now);
      const moved = [...this.#moved].flatMap((name) => this.#gates.get(name) ?? []);
      this.#moved.clear();
      const passed: Row[] = [];
      for (const gate of moved) if (this.#open(gate, now, passed)) isSoon = true;
      for (const row of passed.sort((a, b) => a.seq - b.seq)) {
        row.age = nextAge();
        if (gateOf(row)) this.#walkers.push(row);
        else ready(row);
      }
    }
    return isSoon;
  }

  /** Notes the gates whose time has come, at most so many, for the next rounds. Those nobody needs any more are forgotten. */
  lookAtDue(now: number, limit: number): void {
    this.#takeBack(now);
    const due = [...this.#gates.values()].filter(({ nextAt }) => nextAt !== null && nextAt <= now);
    due.sort((a, b) => (a.nextAt ?? 0) - (b.nextAt ?? 0) || (a.name < b.name ? -1 : 1));
    for (const { name } of due.slice(0, limit)) this.#moved.add(name);
    for (const gate of this.#gates.values()) {
      if (gate.held === 0 && gate.waiting === 0 && forgetAt(gate) <= now) this.#gates.delete(gate.name);
    }
  }

  /** When the next gate wants to be looked at. */
  get nextAt(): number | null {
    let next: number | null = null;
    for (const { nextAt } of this.#gates.values()) if (nextAt !== null && (next === null || nextAt < next)) next = nextAt;
    return next;
  }

  /** A gate for people, unless nobody stands before it or has a place of it. */
  show(name: string, rows: Iterable<Row>): StoredGate | undefined {
    const gate = this.#gates.get(name);
    if (!gate || (gate.held === 0 && gate.waiting === 0)) return undefined;
    const { room, everyMs, held, waiting, nextAt } = gate;
    const holders = [...rows].filter((row) => hasPlace(row, name)).slice(0, 10);
    return { name, room, everyMs, held, waiting, nextAt, holders: holders.map(({ job }) => job.id) };
  }

  #giveBack({ name }: Gate): void {
    const gate = this.#gates.get(name);
    if (!gate) return;
    gate.returned += 1;
    this.#moved.add(name);
  }

  #takeBack(now: number): void {
    for (const name of this.#moved) {
      const gate = this.#gates.get(name);
      if (!gate || gate.returned === 0) continue;
      giveBack(gate, gate.returned, now);
      gate.returned = 0;
    }
  }

  #join(row: Row, now: number): void {
    const { name, room, everyMs } = gateOf(row) as Gate;
    let gate = this.#gates.get(name);
    if (!gate) {
      const line = new Line(({ job, age }, order, place) => job.gate === name && -job.priority === order && age === place);
      this.#gates.set(
        name,
        (gate = { name, room, everyMs, held: 0, tokens: room, at: now, line, waiting: 0, returned: 0, nextAt: null }),
      );
    }
    Object.assign(gate, { room, everyMs });
    row.job.gate = name;
    gate.waiting += 1;
    gate.line.push(row, -row.job.priority, row.age);
    this.#moved.add(name);
  }

  #open(gate: Standing, now: number, passed: Row[]): boolean {
    refill(gate, now);
    for (let head = gate.line.head(); head && pass(gate); head = gate.line.head()) {
      const { row } = head;
      gate.line.shift();
      gate.waiting -= 1;
      row.job.gate = null;
      row.passed += 1;
      passed.push(row);
    }
    gate.nextAt = gate.waiting > 0 ? lookAt(gate, now) : null;
    return isDueSoon(gate.nextAt, now);
  }
}

function hasPlace({ job, passed, hasStarted }: Row, name: string): boolean {
  return job.gates.slice(0, Math.max(0, passed)).some((gate) => gate.name === name && (!hasStarted || gate.until === "stopped"));
}
