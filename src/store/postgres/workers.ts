// Workers and their leases, and what becomes of jobs whose worker gives them back or is lost.
import type { Claim, Ended } from "../job.ts";
import type { Renewal } from "../lease.ts";
import type { NewWorker, StoredWorker } from "../store.ts";
import type { Session } from "./connection.ts";
import type { Effects } from "./effects.ts";
import { change, endedIn } from "./effects.ts";
import type { Ground } from "./ground.ts";
import { clockSql } from "./migrate.ts";
import { fromStored, numberArray, textArray, toStored } from "./text.ts";

/** See `Store.join`. */
export async function join({ schema }: Ground, session: Session, worker: NewWorker, leaseUntil: number): Promise<void> {
  const { id, host, pid, queues, tasks, startedAt } = worker;
  await session.query(
    `INSERT INTO ${schema}.worker (id, host, pid, queues, tasks, started_at, lease_until) VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid, queues = excluded.queues, tasks = excluded.tasks,
       started_at = excluded.started_at, lease_until = excluded.lease_until, drain = false`,
    [toStored(id), toStored(host), pid, JSON.stringify(queues), JSON.stringify(tasks), startedAt, leaseUntil],
  );
}

// No worker survives the loss of power, so its lease need not.
const unflushed = "set_config('synchronous_commit', 'off', true)";

/** A renewal, with the server's clock. */
export interface TimedRenewal {
  readonly renewal: Renewal;
  readonly serverMs: number;
}

const lostWorker: Renewal = { alive: false, cancels: [], drain: false };

/** Extends a lease until a time, or when `leaseMs` is given for so long from now by the server's clock. See `Store.renew`. */
export async function renew(
  { schema }: Pick<Ground, "schema">,
  session: Session,
  worker: string,
  until: { readonly at: number } | { readonly leaseMs: number },
): Promise<TimedRenewal> {
  const isTime = "at" in until;
  const rows = await session.query(
    `WITH renewed AS (
       UPDATE ${schema}.worker SET lease_until = ${isTime ? "" : `${clockSql} + `}$2::double precision WHERE id = $1 RETURNING drain
     )
     SELECT renewed.drain, ${clockSql}, wished.id, ${unflushed} FROM renewed LEFT JOIN (
       SELECT job.id, job.seq FROM ${schema}.running JOIN ${schema}.job ON job.seq = running.seq
       WHERE running.worker = $1 AND running.cancel_at IS NOT NULL
     ) AS wished ON true ORDER BY wished.seq`,
    [toStored(worker), isTime ? until.at : until.leaseMs],
  );
  const [first] = rows;
  if (!first) return { renewal: lostWorker, serverMs: NaN };
  const cancels = rows.flatMap(([, , id]) => (id === null ? [] : fromStored(id as string)));
  return { renewal: { alive: true, cancels, drain: first[0] === true }, serverMs: first[1] as number };
}

/** What was taken back. */
export interface Taken {
  readonly count: number;
  readonly ended: readonly Ended[];
}

/** Gives back what a worker runs, as lost or released, but for the claims in `held`. Needs the world to itself. */
export async function takeBack(
  { schema }: Ground,
  session: Session,
  effects: Effects,
  worker: string,
  kind: "lost" | "released",
  now: number,
  held: readonly Claim[] = [],
): Promise<Taken> {
  const rows = await session.query(
    `SELECT running.seq FROM ${schema}.running JOIN ${schema}.job ON job.seq = running.seq
     WHERE running.worker = $1 AND NOT EXISTS (
       SELECT 1 FROM unnest($2::text[], $3::integer[]) AS held(id, fence) WHERE held.id = job.id AND held.fence = running.fence
     ) ORDER BY running.seq`,
    [toStored(worker), textArray(held.map(({ id }) => id)), numberArray(held.map(({ fence }) => fence))],
  );
  if (rows.length === 0) return { count: 0, ended: [] };
  const [stopped] = await session.query(`SELECT ended, happened FROM ${schema}.stop($1, $2, NULL, $3, NULL, NULL, NULL, $4)`, [
    toStored(worker),
    numberArray(rows.map(([seq]) => seq as string)),
    textArray(rows.map(() => kind)),
    now,
  ]);
  effects.add(stopped?.[1] as number);
  return { count: rows.length, ended: endedIn(stopped?.[0]) };
}

/** See `Store.leave`. */
export function leave(ground: Ground, session: Session, worker: string, now: number): Promise<void> {
  return change(ground, session, async (effects) => {
    await takeBack(ground, session, effects, worker, "released", now);
    await session.query(`DELETE FROM ${ground.schema}.worker WHERE id = $1`, [toStored(worker)]);
  });
}

/** See `Store.releaseOthers`. */
export function releaseOthers(
  ground: Ground,
  session: Session,
  worker: string,
  held: readonly Claim[],
  now: number,
): Promise<number> {
  return change(ground, session, async (effects) => {
    const { schema, bell, settles } = ground;
    // A settle that was sent and never read must not claim after this.
    await session.query(`UPDATE ${schema}.worker SET void_origin = $2, void_upto = $3 WHERE id = $1`, [
      toStored(worker),
      bell.origin,
      settles.last,
    ]);
    const { count } = await takeBack(ground, session, effects, worker, "released", now, held);
    return count;
  });
}

/** See `Store.note`. */
export async function note(
  { schema }: Ground,
  session: Session,
  worker: string,
  progress: readonly (readonly [id: string, fence: number, text: string])[],
): Promise<void> {
  // Of several for one claim the last counts.
  const last = [...new Map(progress.map((each) => [`${each[1]} ${each[0]}`, each])).values()];
  await session.query(`SELECT ${schema}.note($1, $2, $3, $4)`, [
    toStored(worker),
    textArray(last.map(([id]) => id)),
    numberArray(last.map(([, fence]) => fence)),
    textArray(last.map(([, , text]) => text)),
  ]);
}

/** See `Store.suspend`. */
export async function suspend(
  { schema }: Ground,
  session: Session,
  worker: string,
  jobs: readonly (readonly [id: string, fence: number, waits: string | null])[],
): Promise<void> {
  // Of several for one claim the last counts.
  const last = [...new Map(jobs.map((each) => [`${each[1]} ${each[0]}`, each])).values()];
  await session.query(`SELECT ${schema}.suspend($1, $2, $3, $4)`, [
    toStored(worker),
    textArray(last.map(([id]) => id)),
    numberArray(last.map(([, fence]) => fence)),
    textArray(last.map(([, , waits]) => waits)),
  ]);
}

/** See `Store.drain`. */
export function drain(ground: Ground, session: Session, worker: string): Promise<boolean> {
  return change(ground, session, async (effects) => {
    const sql = `UPDATE ${ground.schema}.worker SET drain = true WHERE id = $1 RETURNING 1`;
    const known = (await session.query(sql, [toStored(worker)])).length > 0;
    // The worker looks when it is told of work, and learns of the wish.
    if (known) effects.ready();
    return known;
  });
}

/** See `Store.pause`. */
export function pause(ground: Ground, session: Session, queue: string, paused: boolean): Promise<void> {
  const table = `${ground.schema}.paused`;
  return change(ground, session, async (effects) => {
    const sql = paused
      ? `INSERT INTO ${table} (queue) VALUES ($1) ON CONFLICT DO NOTHING`
      : `DELETE FROM ${table} WHERE queue = $1 RETURNING 1`;
    if ((await session.query(sql, [toStored(queue)])).length > 0) effects.ready();
  });
}

type WorkerRow = [string, string, number, string, string, number, number, string];

/** See `Store.workers`. */
export async function workers({ schema }: Ground, session: Session): Promise<StoredWorker[]> {
  const rows = await session.query(
    `SELECT worker.id, host, pid, queues, tasks, started_at, lease_until, coalesce(busy.jobs, 0)
     FROM ${schema}.worker LEFT JOIN (
       SELECT running.worker, count(*) AS jobs FROM ${schema}.running GROUP BY running.worker
     ) AS busy ON busy.worker = worker.id ORDER BY worker.id`,
  );
  return (rows as unknown as WorkerRow[]).map(([id, host, pid, queues, tasks, startedAt, leaseUntil, running]) => ({
    id: fromStored(id),
    host: fromStored(host),
    pid,
    queues: JSON.parse(queues) as string[],
    tasks: JSON.parse(tasks) as string[],
    startedAt,
    leaseUntil,
    running: Number(running),
  }));
}
