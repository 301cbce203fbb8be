// Giving a job that was never given out another call. One that waits for a time, and will, stays where it is; so that debouncing, which is
// nearly all of this, goes on beside settles and claims. Nothing else that may happen then touches such a job: who makes it due, ends
// it or changes it otherwise has the world to himself. All other jobs are moved, by one who has.
import type { Changes, JobFilter, OtherCall } from "../store.ts";
import type { Session } from "./connection.ts";
import type { Effects } from "./effects.ts";
import { change as changing } from "./effects.ts";
import type { Ground } from "./ground.ts";
import { gateColumns } from "./kinds.ts";
import { toStored, toStoredOrNull } from "./text.ts";
import { amongOthers } from "./transaction.ts";

/** A condition on a job of the view `jobs`: it may get another call. */
export const mayGetAnother = "jobs.fence = 0 AND jobs.dependencies = 0";

const facts = `args = $2, policy = $3, submitted_at = $4, gate_names = ($6::text[])[1]::text[], gate_rooms = ($7::text[])[1]::double precision[],
    gate_everies = ($8::text[])[1]::double precision[], gate_untils = ($9::text[])[1]::text[]`;

function valuesOf(job: string, call: OtherCall): readonly (string | number | null)[] {
  const { args, policy, submittedAt, expiresAt } = call;
  return [job, toStored(args), toStoredOrNull(policy), submittedAt, expiresAt, ...gateColumns([call])];
}

/** Gives a parked job, by its seq, another call. */
export async function giveOther({ schema }: Ground, session: Session, seq: string, call: OtherCall): Promise<void> {
  await session.query(
    `WITH times AS (UPDATE ${schema}.parked SET expires_at = $5 WHERE seq = $1) UPDATE ${schema}.job SET ${facts} WHERE seq = $1`,
    valuesOf(seq, call),
  );
}

const putOffSql = (schema: string): string => `
  WITH off AS (
    UPDATE ${schema}.parked SET due_at = $10, expires_at = $5 FROM ${schema}.job
    WHERE job.id = $1 AND job.dependencies = 0 AND parked.seq = job.seq AND parked.scheduled AND parked.fence = 0 RETURNING parked.seq
  )
  UPDATE ${schema}.job SET ${facts}, queue = coalesce($11, queue), rank = coalesce($12, rank) FROM off WHERE job.seq = off.seq RETURNING job.seq`;

/** True when the job was put off, with another call: it waited for a time, and waits for another that is still to come. */
export async function putOff(
  ground: Ground,
  session: Session,
  filter: JobFilter,
  { call, queue, priority, dueAt }: Changes,
  now: number,
): Promise<boolean> {
  const [id, ...others] = filter.ids ?? [];
  const isNamed = id !== undefined && others.length === 0 && Object.keys(filter).length === 1;
  if (!call || !isNamed || typeof dueAt !== "number" || dueAt <= now) return false;
  const moved = [dueAt, queue === undefined ? null : toStored(queue), priority === undefined ? null : 0 - priority];
  const body = async (effects: Effects): Promise<boolean> => {
    const rows = await session.query(putOffSql(ground.schema), [...valuesOf(toStored(id), call), ...moved]);
    if (rows.length > 0) effects.scheduled(dueAt, now);
    return rows.length > 0;
  };
  return changing(ground, session, now, body, amongOthers);
}
