// What a store says of itself to people, and what it finds wrong.
import type { StoreInfo } from "../store.ts";
import type { Session } from "./connection.ts";
import type { Ground } from "./ground.ts";
import type { Place } from "./url.ts";

const settingNames = ["synchronous_commit", "fsync", "full_page_writes", "autovacuum", "autovacuum_naptime", "max_connections"];
const mostSkewMs = 1000;
const manyDead = 200_000;
const longTransactionMs = 10 * 60_000;

/** What only the open store knows. */
export interface Surroundings {
  readonly place: Place;
  readonly layout: number;
  /** By how much this machine's clock is ahead of the server's. */
  readonly skewMs: number;
  /** What keeps the busy tables from being swept. */
  readonly sweepProblem: string | undefined;
}

interface Facts {
  readonly settings: Readonly<Record<string, string>>;
  readonly dead: number;
  readonly isOwner: boolean;
  readonly oldestMs: number;
}

function problemsOf({ settings, dead, isOwner, oldestMs }: Facts, { skewMs, sweepProblem }: Surroundings): string[] {
  const problems: string[] = [];
  if (oldestMs > longTransactionMs) {
    const minutes = Math.round(oldestMs / 60_000);
    problems.push(
      `A transaction has been open for ${minutes} minutes; while it is, dead rows pile up. End the session that forgot it.`,
    );
  }
  if (settings["autovacuum"] !== "on") problems.push("Autovacuum is off: tables grow without end. Switch it on.");
  if (dead > manyDead) problems.push(`The busy tables hold ${dead} dead rows, which slows claims down. Vacuum them.`);
  if (sweepProblem !== undefined) problems.push(sweepProblem);
  else if (!isOwner) {
    problems.push("This user may not vacuum the busy tables, so the rate falls under load. Let the tables' owner run a worker.");
  }
  if (Math.abs(skewMs) > mostSkewMs) {
    const how = skewMs > 0 ? "ahead of" : "behind";
    problems.push(
      `This machine's clock is ${Math.round(Math.abs(skewMs))} ms ${how} the server's, whose time counts. Set it right.`,
    );
  }
  return problems;
}

/** See `Store.info`. */
export async function info({ schema }: Ground, session: Session, around: Surroundings): Promise<StoreInfo> {
  const [row] = await session.query(
    `SELECT current_setting('server_version'), (SELECT count(*) FROM ${schema}.job),
       (SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace($1)),
       (SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables
        WHERE relid IN (to_regclass($2), to_regclass($3), to_regclass($4))),
       (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass($2)),
       (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)) * 1000, 0)::double precision FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'),
       ARRAY (SELECT coalesce(current_setting(name, true), '') FROM unnest($5::text[]) WITH ORDINALITY AS asked(name, no) ORDER BY no)`,
    [schema, `${schema}.ready`, `${schema}.running`, `${schema}.parked`, settingNames],
  );
  const [version, jobs, bytes, dead, isOwner, oldestMs, values] = row as [
    string,
    string,
    string,
    string,
    boolean,
    number,
    string[],
  ];
  const settings = Object.fromEntries(settingNames.map((name, index) => [name, values[index] ?? ""]));
  return {
    kind: "postgres",
    location: around.place.location,
    engine: `PostgreSQL ${version}, Node ${process.version}`,
    schema: around.layout,
    jobs: Number(jobs),
    bytes: Number(bytes),
    problems: problemsOf({ settings, dead: Number(dead), isOwner, oldestMs }, around),
    settings: { ...settings, deadRows: Number(dead), clockSkewMs: Math.round(around.skewMs) },
  };
}
