// Cancelling jobs. What it reaches is decided in `cancellation.ts`, on a copy of the part of the graph concerned, and then written.
import { cancelJobs } from "../cancellation.ts";
import { cancelSignal } from "../machine.ts";
import type { Cancelled, JobFilter } from "../store.ts";
import type { Session } from "./connection.ts";
import type { Effects } from "./effects.ts";
import { change, endWaiting } from "./effects.ts";
import type { Fallout, LiveNode } from "./graph.ts";
import { loadNeighbours } from "./graph.ts";
import type { Ground } from "./ground.ts";
import { numberArray, textArray, toStored, toStoredOrNull } from "./text.ts";

/** What is to be done to jobs, by their seqs. */
interface Plan {
  readonly ended: string[];
  /** Their workers are to be asked. */
  readonly wished: string[];
  /** They are suspended, and have something to undo. */
  readonly woken: string[];
  readonly fallout: Fallout[];
}

async function wish(
  { schema }: Ground,
  session: Session,
  seqs: readonly string[],
  why: string | null,
  now: number,
): Promise<void> {
  await session.query(
    `UPDATE ${schema}.running SET cancel_at = $1, cancel_reason = $2 WHERE seq = ANY ($3) AND cancel_at IS NULL`,
    [now, why, numberArray(seqs)],
  );
}

async function wake(
  { schema }: Ground,
  session: Session,
  effects: Effects,
  seqs: readonly string[],
  reason: string | null,
  now: number,
): Promise<void> {
  const values = [numberArray(seqs), cancelSignal, toStored(JSON.stringify(reason))];
  await session.query(
    `INSERT INTO ${schema}.record (seq, name, words) SELECT seq, $2, $3 FROM unnest($1::bigint[]) AS given(seq)
     ON CONFLICT (seq, name) DO NOTHING`,
    values,
  );
  const [row] = await session.query(`SELECT walked FROM ${schema}.wake($1, $2, true)`, [values[0], now]);
  effects.atGates(row?.[0]);
}

async function fall(
  ground: Ground,
  session: Session,
  effects: Effects,
  { failed, released }: Fallout,
  now: number,
): Promise<void> {
  if (released.size > 0) {
    const values = [numberArray([...released.keys()]), numberArray([...released.values()]), now];
    const [row] = await session.query(`SELECT readied, walked FROM ${ground.schema}.take_off($1, $2, $3)`, values);
    if (row?.[0] === true) effects.ready();
    effects.atGates(row?.[1]);
  }
  if (failed.length === 0) return;
  const causes = textArray(failed.map(({ cause }) => cause));
  const seqs = numberArray(failed.map(({ seq }) => seq));
  await endWaiting(ground, session, effects, seqs, "failed", causes, null, now);
}

/** Cancels jobs; see `Store.cancel`. */
export function cancel(
  ground: Ground,
  session: Session,
  filter: JobFilter,
  reason: string | null,
  now: number,
): Promise<Cancelled> {
  return change(ground, session, now, async (effects) => {
    const graph = await loadNeighbours(ground, session, filter);
    const plan: Plan = { ended: [], wished: [], woken: [], fallout: [] };
    const cancelled = cancelJobs<LiveNode>(graph.chosen, {
      end: ({ seq }) => {
        graph.end(seq);
        plan.ended.push(seq);
      },
      isAsked: ({ isHeld, canUndo }) => isHeld || canUndo,
      request: ({ seq, isHeld }) => void (isHeld ? plan.wished : plan.woken).push(seq),
      failAbove: (fallen) => {
        const fallout = graph.failAbove(fallen.map(({ seq }) => seq));
        plan.fallout.push(fallout);
        return fallout.failed.map(({ id }) => id);
      },
      below: (rows) => graph.below(rows.map(({ seq }) => seq)),
      isNeeded: ({ seq }) => graph.isNeeded(seq),
    });
    if (cancelled.cancelled.length + cancelled.failed.length > 0) effects.ended();
    // A worker looks when it is told of work, and learns of the wish.
    if (cancelled.requested.length > 0) effects.ready();
    const why = toStoredOrNull(reason);
    if (plan.ended.length > 0) await endWaiting(ground, session, effects, numberArray(plan.ended), "cancelled", null, why, now);
    for (const each of plan.fallout) await fall(ground, session, effects, each, now);
    if (plan.wished.length > 0) await wish(ground, session, plan.wished, why, now);
    if (plan.woken.length > 0) await wake(ground, session, effects, plan.woken, reason, now);
    return cancelled;
  });
}
