// What a store says of itself to people, and what it finds wrong.
import { clockProblem } from "../network/clock.ts";
import type { StoreInfo } from "../store.ts";
import type { Session } from "./connection.ts";
import type { Ground } from "./ground.ts";
import { healthProblems, healthSettings, lookAtHealth } from "./health.ts";
import type { Place } from "./url.ts";

const settingNames = ["synchronous_commit", "fsync", "full_page_writes", "autovacuum", "autovacuum_naptime"];

/** What only the open store knows. */
export interface Surroundings {
  readonly place: Place;
  readonly layout: number;
  /** By how much this machine's clock is ahead of the server's. */
  readonly skewMs: number;
  /** What keeps the busy tables from being swept. */
  readonly sweepProblem: string | undefined;
}

function ownProblems(isOwner: boolean, { skewMs, sweepProblem }: Surroundings): string[] {
  const problems: string[] = [];
  if (sweepProblem !== undefined) problems.push(sweepProblem);
  else if (!isOwner) {
    problems.push("This user may not vacuum the busy tables, so the rate falls under load. Let the tables' owner run a worker.");
  }
  const clock = clockProblem(skewMs);
  if (clock !== undefined) problems.push(clock);
  return problems;
}

/** See `Store.info`. */
export async function info({ schema }: Ground, session: Session, around: Surroundings): Promise<StoreInfo> {
  const [row] = await session.query(
    `SELECT current_setting('server_version'), (SELECT count(*) FROM ${schema}.job),
       (SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace($1)),
       (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass($2)),
       ARRAY (SELECT coalesce(current_setting(name, true), '') FROM unnest($3::text[]) WITH ORDINALITY AS asked(name, no) ORDER BY no)`,
    [schema, `${schema}.ready`, settingNames],
  );
  const [version, jobs, bytes, isOwner, values] = row as [string, string, string, boolean, string[]];
  const settings = Object.fromEntries(settingNames.map((name, index) => [name, values[index] ?? ""]));
  const health = await lookAtHealth(session, schema);
  return {
    kind: "postgres",
    location: around.place.location,
    engine: `PostgreSQL ${version}, Node ${process.version}`,
    schema: around.layout,
    jobs: Number(jobs),
    bytes: Number(bytes),
    problems: [...healthProblems(health, settings), ...ownProblems(isOwner, around)],
    settings: { ...settings, ...healthSettings(health), clockSkewMs: Math.round(around.skewMs) },
  };
}
