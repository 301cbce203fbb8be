// Recording how attempts ended. A `done` outcome is one update, guarded by worker and fence: nothing is read first. The others
// are rare, and done in `attempt.ts`.
import { isFinal } from "../../task/state.ts";
import type { ClaimedJob, Ended, Outcome } from "../job.ts";
import type { AttemptEnd } from "../machine.ts";
import { asReported, signalPrefix } from "../machine.ts";
import type { Settled, Want } from "../store.ts";
import { held, isHeldBy, stop, toEnded } from "./attempt.ts";
import type { ClaimTools, Given } from "./claim.ts";
import { claim } from "./claim.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import type { Fallen } from "./ends.ts";
import { failAbove, releaseAbove } from "./ends.ts";
import { openGates } from "./gates.ts";
import { giveBackAtStop } from "./places.ts";
import { countRecords } from "./record.ts";
import { gatesIn } from "./rest.ts";

const finish = `
  UPDATE job SET state = 'done', result = ?, ended_at = ?, prune_at = ? + keep_ms, unique_held = 0, waits = NULL WHERE ${isHeldBy}`;

interface Batch {
  readonly refused: number[];
  readonly ended: Ended[];
  readonly done: number[];
  readonly fallen: Fallen[];
}

function endOf(db: Connection, seq: number, outcome: Outcome): AttemptEnd {
  if (outcome.kind !== "waiting") return outcome;
  const { kind, dueAt, seen, waits } = outcome;
  return { kind, dueAt, waits, signalled: countRecords(db, seq, signalPrefix) > seen };
}

/** Records one outcome; false when it does not count. */
function record(
  db: Connection,
  effects: Effects,
  batch: Batch,
  worker: string,
  outcome: Outcome,
  { seq, gates }: Given,
  now: number,
): boolean {
  const { id, fence } = outcome;
  if (outcome.kind === "done") {
    if (db.run(finish, outcome.result, now, now, seq, id, worker, fence) === 0) return false;
    if (gates !== null) giveBackAtStop(effects, gatesIn(gates));
    effects.ended.push(seq);
    batch.done.push(seq);
    return true;
  }
  const job = held(db, seq, worker, outcome);
  if (!job) return false;
  const after = stop(db, effects, job, endOf(db, seq, outcome), now);
  if (!isFinal(after.state)) return true;
  batch.fallen.push({ seq, id, cause: null });
  if (!asReported(outcome.kind, after.state)) batch.ended.push(toEnded(job, after, after.state));
  return true;
}

/** Records outcomes; see `Store.settle`. */
export function settle(
  tools: ClaimTools,
  worker: string,
  outcomes: readonly Outcome[],
  wants: readonly Want[],
  now: number,
): Settled {
  const { db, effects, given } = tools;
  const batch: Batch = { refused: [], ended: [], done: [], fallen: [] };
  for (const [index, outcome] of outcomes.entries()) {
    if (!record(db, effects, batch, worker, outcome, given.find(outcome.id), now)) batch.refused.push(index);
    given.forget(outcome.id);
  }
  releaseAbove(db, effects, batch.done, now);
  for (const each of failAbove(db, effects, batch.fallen, now)) batch.ended.push(each);
  openGates(db, effects, now);
  const claimed: readonly ClaimedJob[] = claim(tools, worker, wants, now);
  openGates(db, effects, now);
  return { refused: batch.refused, ended: batch.ended, claimed };
}
