// How a PostgreSQL server is: what its catalogs say of bloat, of what keeps dead rows from being vacuumed, of connections, replicas and
// settings that lose data; and which of it is a problem. A user sees less than the server's owner does: what may not be read is said.
import { showMs } from "../../core/durations.ts";
import type { Row } from "./client.ts";
import type { Session } from "./connection.ts";
import { hasCode } from "./trouble.ts";

/** A table and its rows, by the server's own estimate. */
interface Table {
  readonly name: string;
  readonly live: number;
  readonly dead: number;
  /** How long ago it was last vacuumed, or null when it never was. */
  readonly vacuumedMs: number | null;
}

/** An open or a prepared transaction. */
interface Holder {
  readonly what: string;
  readonly ageMs: number;
}

/** A slot that nobody reads from. */
interface Slot {
  readonly name: string;
  readonly holdsRows: boolean;
  /** Bytes of the server's log that are kept for it. */
  readonly kept: number;
}

interface Replica {
  readonly name: string;
  readonly lagMs: number;
}

/** What was found. */
export interface Health {
  readonly tables: readonly Table[];
  /** What keeps dead rows from being vacuumed. */
  readonly holder: Holder | undefined;
  /** A transaction that stands still after jobs were submitted in it. */
  readonly submitter: Holder | undefined;
  readonly slots: readonly Slot[];
  readonly replicas: readonly Replica[];
  readonly connections: number;
  readonly mostConnections: number;
  /** What this user may not see, or the server does not have. */
  readonly unread: readonly string[];
}

/** The tables with much coming and going. */
export const busyTables: readonly string[] = ["ready", "running", "parked", "standing", "gate", "gate_note"];
const manyDead = 200_000;
const longTransactionMs = 10 * 60_000;
const longSubmitMs = 10_000;
const muchLog = 2 ** 30;
const longLagMs = 60_000;
const hidden = "<insufficient privilege>";

const tablesSql = `
  SELECT relname, n_live_tup::double precision, n_dead_tup::double precision,
    (extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum)) * 1000)::double precision
  FROM pg_stat_user_tables WHERE relid = ANY (ARRAY (SELECT to_regclass($1 || '.' || name) FROM unnest($2::text[]) AS given(name)))
  ORDER BY array_position($2::text[], relname::text)`;

const holderSql = `
  SELECT what, (extract(epoch FROM clock_timestamp() - since) * 1000)::double precision FROM (
    SELECT format('%s of %s (pid %s%s)', CASE state WHEN 'idle in transaction' THEN 'a forgotten transaction' ELSE 'a transaction' END,
        usename, pid, CASE application_name WHEN '' THEN '' ELSE ', ' || application_name END) AS what, xact_start AS since
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
      AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
    UNION ALL
    SELECT format('the prepared transaction %L of %s', gid, owner), prepared FROM pg_prepared_xacts WHERE database = current_database()
  ) AS held WHERE since IS NOT NULL ORDER BY since LIMIT 1`;

const submitterSql = `
  SELECT format('%s (pid %s%s)', usename, pid, CASE application_name WHEN '' THEN '' ELSE ', ' || application_name END),
    (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::double precision
  FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND pid IN (
    SELECT pid FROM pg_locks WHERE relation = to_regclass($1 || '.job') AND mode = 'RowExclusiveLock' AND granted
  ) ORDER BY xact_start LIMIT 1`;

const hiddenSql = "SELECT count(*)::integer FROM pg_stat_activity WHERE datname = current_database() AND query = $1";

const slotsSql = `
  SELECT slot_name, xmin IS NOT NULL, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::double precision
  FROM pg_replication_slots WHERE NOT active`;

const replicasSql = `
  SELECT coalesce(nullif(application_name, ''), client_addr::text, 'pid ' || pid),
    (coalesce(extract(epoch FROM replay_lag), 0) * 1000)::double precision FROM pg_stat_replication ORDER BY 2 DESC`;

// All databases of a server share its connections; who else has them is not for everyone to see, but how many are.
const connectionsSql = `
  SELECT sum(numbackends)::integer, current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
  FROM pg_stat_database`;

// No right to see it; or a function, table or column that a managed server does not have.
const unreadable = ["42501", "42883", "42P01", "42703"];

/** Looks at the server. */
export async function lookAtHealth(session: Session, schema: string): Promise<Health> {
  const unread: string[] = [];
  const read = async (what: string, sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> => {
    try {
      return await session.query(sql, values);
    } catch (error) {
      if (!unreadable.some((code) => hasCode(error, code))) throw error;
      unread.push(what);
      return [];
    }
  };
  const tables = await read("dead rows", tablesSql, [schema, [...busyTables, "job", "ended"]]);
  const [holder] = await read("open transactions", holderSql);
  const [submitter] = await read("open transactions", submitterSql, [schema]);
  const [others] = await read("other users' transactions", hiddenSql, [hidden]);
  if (Number(others?.[0] ?? 0) > 0) unread.push("other users' transactions");
  const slots = await read("replication slots", slotsSql);
  const replicas = await read("replicas", replicasSql);
  const [connections] = await read("connections", connectionsSql);
  return {
    tables: (tables as unknown as [string, number, number, number | null][]).map(([name, live, dead, vacuumedMs]) => {
      return { name, live, dead, vacuumedMs };
    }),
    holder: holder && { what: holder[0] as string, ageMs: holder[1] as number },
    submitter: submitter && { what: submitter[0] as string, ageMs: submitter[1] as number },
    slots: (slots as unknown as [string, boolean, number][]).map(([name, holdsRows, kept]) => ({ name, holdsRows, kept })),
    replicas: (replicas as unknown as [string, number][]).map(([name, lagMs]) => ({ name, lagMs })),
    connections: Number(connections?.[0] ?? 0),
    mostConnections: Number(connections?.[1] ?? 0),
    unread,
  };
}

/** Dead rows in the tables that change all the time. */
export function deadRows({ tables }: Health): number {
  return tables.filter(({ name }) => busyTables.includes(name)).reduce((sum, { dead }) => sum + dead, 0);
}

function bloat(health: Health): string[] {
  const problems: string[] = [];
  const dead = deadRows(health);
  if (dead > manyDead) problems.push(`The busy tables hold ${dead} dead rows, which slows claims down. Vacuum them.`);
  for (const { name, live, dead: its } of health.tables) {
    if (busyTables.includes(name) || its < manyDead || its < live / 2) continue;
    problems.push(
      `The table ${name} holds ${its} dead rows for ${live} living ones. Vacuum it, and see whether autovacuum keeps up.`,
    );
  }
  return problems;
}

function heldRows({ holder, submitter, slots }: Health): string[] {
  const problems: string[] = [];
  if (submitter && submitter.ageMs > longSubmitMs) {
    problems.push(
      `A transaction of ${submitter.what} has been open for ${showMs(submitter.ageMs)} since jobs were submitted in it. Submits with the same ` +
        "unique keys wait for it, and everything does when such a job depends on one that is stored. End it.",
    );
  }
  if (holder && holder.ageMs > longTransactionMs) {
    const { what, ageMs } = holder;
    problems.push(
      `Dead rows pile up, because ${what} has been open for ${showMs(ageMs)}. End it: no vacuum removes them before.`,
    );
  }
  for (const { name, holdsRows, kept } of slots) {
    if (!holdsRows && kept < muchLog) continue;
    const what = holdsRows ? "dead rows" : `${Math.round(kept / 2 ** 20)} MB of the server's log`;
    problems.push(
      `Nobody reads from the replication slot ${name}, and it keeps ${what}. Drop it if its reader is gone for good.`,
    );
  }
  return problems;
}

/** Of these, `on` is the value that keeps what was acknowledged. */
const costOf: Readonly<Record<string, string>> = {
  fsync: "fsync is off: when the machine crashes or loses power, all jobs can be lost or damaged. Set it to on.",
  full_page_writes: "full_page_writes is off: a crash of the machine can damage the tables beyond repair. Set it to on.",
  synchronous_commit:
    "synchronous_commit is off: a crash of the server forgets what it acknowledged in the last moments, jobs and outcomes. Set it to on.",
  autovacuum: "Autovacuum is off: tables grow without end. Switch it on.",
};

/** What a person has to act on, worst first. */
export function healthProblems(health: Health, settings: Readonly<Record<string, string>>): string[] {
  const { connections, mostConnections, replicas } = health;
  const off = Object.entries(costOf).flatMap(([name, problem]) => (settings[name] === "off" ? problem : []));
  const problems = [...off, ...heldRows(health), ...bloat(health)];
  if (mostConnections > 0 && connections >= mostConnections * 0.9) {
    problems.push(
      `${connections} of ${mostConnections} connections are taken; when none is left, workers and programs cannot connect. ` +
        "Raise max_connections, or put a pooler in between.",
    );
  }
  for (const { name, lagMs } of replicas) {
    if (lagMs < longLagMs) continue;
    problems.push(`The replica ${name} is ${showMs(lagMs)} behind: if it takes over, what it has not got yet is lost.`);
  }
  return problems;
}

function showTable({ live, dead, vacuumedMs }: Table): string {
  return `${live} living, ${dead} dead rows, ${vacuumedMs === null ? "never vacuumed" : `vacuumed ${showMs(Math.max(0, vacuumedMs))} ago`}`;
}

/** The same for people to read. */
export function healthSettings(health: Health): Record<string, string | number> {
  const { tables, holder, replicas, connections, mostConnections, unread } = health;
  return {
    ...Object.fromEntries(tables.map((table) => [table.name, showTable(table)])),
    deadRows: deadRows(health),
    oldestTransaction: holder ? `${holder.what}, ${showMs(Math.max(0, holder.ageMs))}` : "none",
    connections: `${connections} of ${mostConnections}`,
    replicas: replicas.map(({ name, lagMs }) => `${name} (${showMs(lagMs)} behind)`).join(" ") || "none",
    ...(unread.length > 0 && { unread: `${[...new Set(unread)].join(", ")} (the role pg_monitor may)` }),
  };
}
