// Records: texts that belong to a job or to the store.
import type { NewRecord, StoredRecord } from "../job.ts";
import type { Session } from "./connection.ts";
import { beginsWith } from "./functions/records.ts";
import type { Ground } from "./ground.ts";
import { fromStored, numberArray, textArray, toStored } from "./text.ts";
import { rowLimit } from "./where.ts";

/** See `Store.write`. */
export async function writeRecords(
  { schema, world, bell }: Ground,
  session: Session,
  records: readonly NewRecord[],
  now: number,
): Promise<readonly boolean[]> {
  if (records.length === 0) return [];
  const { may, must } = bell.ring();
  const values = [
    textArray(records.map(({ job }) => job)),
    textArray(records.map(({ name }) => name)),
    textArray(records.map(({ text }) => text)),
    textArray(records.map(({ claim }) => claim?.worker ?? null)),
    numberArray(records.map(({ claim }) => claim?.fence ?? null)),
    textArray(records.map(({ tell }) => String(tell))),
    now,
    world,
    bell.channel,
    bell.origin,
    may,
    must,
  ];
  const marks = values.map((_, index) => `$${index + 1}`).join(", ");
  const [row] = await session.query(`SELECT written, happened, told FROM ${schema}.write_records(${marks})`, values);
  const [written, happened, told] = row as [boolean[], number, number];
  bell.rang(happened, told);
  return written;
}

/** See `Store.records`. */
export async function readRecords(
  { schema }: Ground,
  session: Session,
  job: string,
  prefix: string,
  limit: number,
  after?: string,
): Promise<StoredRecord[]> {
  const seq = job === "" ? "0" : `(SELECT seq FROM ${schema}.job WHERE id = $4)`;
  const values = [
    toStored(prefix),
    after === undefined ? null : toStored(after),
    rowLimit(limit),
    ...(job === "" ? [] : [toStored(job)]),
  ];
  const rows = await session.query(
    `SELECT name, words FROM ${schema}.record WHERE seq = ${seq} AND ${beginsWith("name", "$1")} AND ($2::text IS NULL OR name > $2)
     ORDER BY name LIMIT $3`,
    values,
  );
  return rows.map(([name, words]) => ({ name: fromStored(name as string), text: fromStored(words as string) }));
}

/** The text of one of the store's own records; null when there is none. */
export async function readOwn({ schema }: Ground, session: Session, name: string): Promise<string | null> {
  const [row] = await session.query(`SELECT words FROM ${schema}.record WHERE seq = 0 AND name = $1`, [toStored(name)]);
  return row ? fromStored(row[0] as string) : null;
}

/** Writes one of the store's own records; null deletes it. */
export async function writeOwn({ schema }: Ground, session: Session, name: string, text: string | null): Promise<void> {
  if (text === null) await session.query(`DELETE FROM ${schema}.record WHERE seq = 0 AND name = $1`, [toStored(name)]);
  else {
    await session.query(
      `INSERT INTO ${schema}.record (seq, name, words) VALUES (0, $1, $2) ON CONFLICT (seq, name) DO UPDATE SET words = excluded.words`,
      [toStored(name), toStored(text)],
    );
  }
}
