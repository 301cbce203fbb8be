// Gates: as people see them, and what was left to do at them.
import type { StoredGate } from "../store.ts";
import type { Session } from "./connection.ts";
import { ConnectionLost } from "./connection.ts";
import type { Ground } from "./ground.ts";
import { fromStored, textArray } from "./text.ts";

const mostTries = 10;

/** Does what could not be done at gates that others had; what cannot be done still, whoever tends does. */
export async function followUp(ground: Ground, session: Session, now: number): Promise<void> {
  try {
    for (let tries = 1, isLeft = true; isLeft && tries <= mostTries; tries++) isLeft = await followUpOnce(ground, session, now);
  } catch (error) {
    // What comes before is committed, and its answer must not be lost with the connection.
    if (!(error instanceof ConnectionLost)) throw error;
  }
}

async function followUpOnce({ schema, world, bell }: Ground, session: Session, now: number): Promise<boolean> {
  const [row] = await session.query(`SELECT happened, left_over FROM ${schema}.follow_up($1, $2)`, [now, world]);
  bell.rang(row?.[0] as number, 0);
  return row?.[1] === true;
}

type GateRow = [string, number, number | null, number, string, number | null, string[]];

/** See `Store.gates`. */
export async function gates({ schema }: Ground, session: Session, names: readonly string[]): Promise<StoredGate[]> {
  // Who has a place is not written down, but follows from where he is.
  const holders = `
    SELECT job.seq, job.id FROM ${schema}.ready JOIN ${schema}.job ON job.seq = ready.job_seq
    WHERE ready.job_seq IS NOT NULL AND gate.name = ANY (job.gate_names)
      AND (ready.starts IS NOT NULL OR job.gate_untils[array_position(job.gate_names, gate.name)] = 'stopped')
    UNION ALL
    SELECT running.seq, job.id FROM ${schema}.running JOIN ${schema}.job ON job.seq = running.seq
    WHERE gate.name = ANY (running.stops)
    UNION ALL
    SELECT standing.seq, job.id FROM ${schema}.standing JOIN ${schema}.job ON job.seq = standing.seq
    WHERE gate.name = ANY (job.gate_names[:standing.number - 1])`;
  const rows = await session.query(
    `SELECT gate.name, gate.room, gate.every_ms, gate.held, (SELECT count(*) FROM ${schema}.standing WHERE standing.gate = gate.name),
       gate.next_at, ARRAY (SELECT holder.id FROM (${holders}) AS holder ORDER BY holder.seq LIMIT 10)
     FROM ${schema}.gate WHERE gate.name = ANY ($1)`,
    [textArray([...new Set(names)])],
  );
  return (rows as unknown as GateRow[])
    .filter(([, , , held, waiting]) => held > 0 || Number(waiting) > 0)
    .map(([name, room, everyMs, held, waiting, nextAt, ids]) => {
      return { name: fromStored(name), room, everyMs, held, waiting: Number(waiting), holders: ids.map(fromStored), nextAt };
    });
}
