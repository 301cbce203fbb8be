// What gates do, in one place; the memory store calls it, the others say the same in their own language.
//
// A job that would become ready goes to its first gate instead, and stands in its line: higher priority first, then by age. A gate lets the
// first of its line pass while it has room; who has passed has a place there and goes to its next gate, or becomes ready after the last. A
// place is given back when the job starts (`until: "started"`) or when its attempt stops otherwise than ready again ("stopped");
// whoever leaves a line, or stops being ready without having started, gives back all it has. A job that crashed, was lost or released comes back
// to ready with the places it has left, and passes no gate a second time.
//
// A verb first does what it does, while jobs only walk up to gates; then come rounds, until nothing moves: in each, those that walked up
// join their lines, in the order they were added, each saying how wide the gate is; then every gate that was joined, or had a place given
// back, or is due, lets pass whom it can. So the outcome does not depend on the order of gates. `settle` has its rounds before it claims, and again
// after it, for the places of those that have started.
//
// A job is as old as its adding until it passes a gate, and then, before the next gate and in the line of ready jobs, as its passing of the last;
// those that pass in one round in the order they were added. So a narrow gate for each key, until the start, gives fair shares, also behind it
// before a gate for all, since who starts makes room for the next of its key at the end of the line. Who comes back to ready stands where it stood;
// who walks up to its first gate again is as old as its adding.
//
// Jobs that share gates must have them in one order: otherwise each could have a place that the other waits for. Who submits sees to that.
//
// A gate with `everyMs` is a token bucket (as in RFC 2697, in tokens for bytes) whose tokens and places not given back are together never more than
// its room: so that in no time span more than `room` and what it regained meanwhile can start, however long jobs stood ready.
import { gateMs } from "./machine.ts";

/** A gate as a store keeps it. */
export interface Bucket {
  room: number;
  everyMs: number | null;
  /** Places taken. */
  held: number;
  /** As of `at`; a new gate has as many as it has room. */
  tokens: number;
  at: number;
}

/** Adds the tokens regained until `now`. A clock that went back gives none. */
export function refill(gate: Bucket, now: number): void {
  if (gate.everyMs === null) return;
  const gained = Math.max(0, now - gate.at) / gate.everyMs;
  gate.tokens = Math.min(gate.room - gate.held, gate.tokens + gained);
  gate.at = now;
}

/** Gives places back. While they were taken no more tokens came than the room they left could hold. */
export function giveBack(gate: Bucket, places: number, now: number): void {
  refill(gate, now);
  gate.held -= places;
}

/** Takes a place, if there is one; refilled before. */
export function pass(gate: Bucket): boolean {
  if (gate.held >= gate.room) return false;
  if (gate.everyMs !== null) {
    if (gate.tokens < 1) return false;
    gate.tokens -= 1;
  }
  gate.held += 1;
  return true;
}

/** When to look at a gate before which jobs are left, or null when only a place given back can let them pass. */
export function lookAt(gate: Bucket, now: number): number | null {
  if (gate.everyMs === null || gate.held >= gate.room) return null;
  return now + Math.max(gateMs, Math.ceil((1 - gate.tokens) * gate.everyMs));
}

/** When a gate that nobody waits at and nobody has a place of can be forgotten: a full bucket is as good as a new one. */
export function forgetAt(gate: Bucket): number {
  if (gate.everyMs === null) return gate.at;
  return gate.at + Math.ceil((gate.room - gate.tokens) * gate.everyMs);
}
