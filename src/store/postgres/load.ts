// Taking in jobs from another store, as they are.
import { isFinal } from "../../task/state.ts";
import { tolerantPlaces } from "../arrival.ts";
import type { StoredJob } from "../job.ts";
import type { Landing } from "../landing.ts";
import { landings } from "../landing.ts";
import { isSuspect } from "../machine.ts";
import { surroundings } from "./add.ts";
import type { Session } from "./connection.ts";
import type { Effects } from "./effects.ts";
import { change } from "./effects.ts";
import type { Ground } from "./ground.ts";
import { gateColumns } from "./kinds.ts";
import { numberArray, textArray } from "./text.ts";
import { byIndex } from "./whole.ts";

/** A job with its place in the order. */
interface Placed extends Landing {
  readonly seq: string;
}

/** One column of rows to be written: its name, its type, and its values. */
type Column = readonly [
  name: string,
  type: "text" | "bigint" | "integer" | "double precision" | "boolean",
  of: (row: Placed) => unknown,
];

const seq: Column = ["seq", "bigint", (row) => row.seq];
const rank: Column = ["rank", "bigint", ({ job }) => 0 - job.priority];
const queue: Column = ["queue", "text", ({ job }) => job.queue];
const task: Column = ["task", "text", ({ job }) => job.task];
const carried: readonly Column[] = [
  ["attempt", "integer", ({ job }) => job.attempt],
  ["crashes", "integer", ({ job }) => job.crashes],
  ["fence", "integer", ({ job }) => job.fence],
  ["due_at", "double precision", ({ job }) => job.dueAt],
  ["expires_at", "double precision", ({ job }) => job.expiresAt],
  ["ready_at", "double precision", ({ job }) => job.readyAt],
  ["started_at", "double precision", ({ job }) => job.startedAt],
  ["error", "text", ({ job }) => job.error],
  ["progress", "text", ({ job }) => job.progress],
];

const tables: Readonly<Record<string, readonly Column[]>> = {
  job: [
    seq,
    rank,
    queue,
    task,
    ["id", "text", ({ job }) => job.id],
    ["crash_limit", "bigint", ({ job }) => job.crashLimit],
    ["dependencies", "integer", ({ job }) => job.dependencies],
    ["keep_ms", "double precision", ({ job }) => job.keepMs],
    ["submitted_at", "double precision", ({ job }) => job.submittedAt],
    ["root", "text", ({ job }) => (job.root === job.id ? null : job.root)],
    ["parent", "text", ({ job }) => job.parent],
    ["trace", "text", ({ job }) => job.trace],
    ["unique_key", "text", ({ job }) => job.uniqueKey],
    ["unique_until", "text", ({ job }) => job.uniqueUntil],
    ["policy", "text", ({ job }) => job.policy],
    ["args", "text", ({ job }) => job.args],
  ],
  ready: [seq, rank, queue, task, ["suspect", "boolean", ({ job }) => isSuspect(job)], ...carried],
  standing: [seq, rank, ["gate", "text", ({ job }) => job.gates[0]?.name], ["number", "integer", () => 1], ...carried],
  parked: [
    seq,
    ["scheduled", "boolean", ({ job }) => job.state !== "blocked"],
    ["waits", "text", ({ job }) => job.waits],
    ["pending", "integer", ({ job }) => job.pending],
    ...carried,
  ],
  ended: [
    seq,
    ["state", "text", ({ job }) => job.state],
    ["worker", "text", ({ job }) => job.worker],
    ["pending", "integer", ({ job }) => job.pending],
    ["ended_at", "double precision", ({ job }) => job.endedAt],
    ["prune_at", "double precision", ({ job }) => (job.endedAt ?? 0) + job.keepMs],
    ["cancel_at", "double precision", ({ job }) => job.cancelAt],
    ["cancel_reason", "text", ({ job }) => job.cancelReason],
    ["cause", "text", ({ job }) => job.cause],
    ["result", "text", ({ job }) => job.result],
    ...carried,
  ],
  holder: [["key", "text", ({ job }) => job.uniqueKey], seq],
};

function tablesOf({ job: { state, gates }, holdsKey }: Landing): readonly string[] {
  const place = isFinal(state) ? "ended" : state === "ready" ? (gates.length > 0 ? "standing" : "ready") : "parked";
  return ["job", place, ...(holdsKey ? ["holder"] : [])];
}

async function insert(schema: string, session: Session, table: string, rows: readonly Placed[]): Promise<void> {
  const columns = tables[table] ?? [];
  const own = rows.filter((row) => tablesOf(row).includes(table));
  if (own.length === 0) return;
  const lists = columns.map(([, type], index) => `$${index + 1}::${type}[]`);
  await session.query(
    `INSERT INTO ${schema}.${table} (${columns.map(([name]) => name).join(", ")}) SELECT * FROM unnest(${lists.join(", ")})`,
    columns.map(([, type, of]) => {
      const values = own.map(of);
      return type === "text" ? textArray(values as (string | null)[]) : numberArray(values as (number | null)[]);
    }),
  );
}

async function insertEdges(
  schema: string,
  session: Session,
  rows: readonly Placed[],
  seqs: ReadonlyMap<string, string>,
): Promise<void> {
  const jobs: string[] = [];
  const positions: number[] = [];
  const deps: string[] = [];
  const tolerated: (string | null)[] = [];
  for (const row of rows) {
    const tolerant = tolerantPlaces(row.job);
    for (const [position, id] of row.job.dependsOn.entries()) {
      const dep = id === null ? undefined : seqs.get(id);
      // Of the batch only those before it count, as for all stores.
      if (dep === undefined || BigInt(dep) >= BigInt(row.seq)) continue;
      jobs.push(row.seq);
      positions.push(position);
      deps.push(dep);
      tolerated.push(tolerant[position] === true ? "true" : null);
    }
  }
  if (jobs.length === 0) return;
  await session.query(
    `INSERT INTO ${schema}.edge (job, position, dep, tolerated)
     SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::boolean[])`,
    [numberArray(jobs), numberArray(positions), numberArray(deps), textArray(tolerated)],
  );
}

async function insertRecords(schema: string, session: Session, rows: readonly Placed[]): Promise<void> {
  const all = rows.flatMap(({ seq: own, job }) => job.records.map((record) => ({ ...record, own })));
  if (all.length === 0) return;
  await session.query(
    `INSERT INTO ${schema}.record (seq, name, words) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])`,
    [numberArray(all.map(({ own }) => own)), textArray(all.map(({ name }) => name)), textArray(all.map(({ text }) => text))],
  );
}

async function writeGates(schema: string, session: Session, rows: readonly Placed[]): Promise<void> {
  const gated = rows.filter(({ job }) => job.gates.length > 0);
  if (gated.length === 0) return;
  await session.query(
    `UPDATE ${schema}.job SET gate_names = given.names::text[], gate_rooms = given.rooms::double precision[],
       gate_everies = given.everies::double precision[], gate_untils = given.untils::text[]
     FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[]) AS given(seq, names, rooms, everies, untils)
     WHERE job.seq = given.seq`,
    [numberArray(gated.map((row) => row.seq)), ...gateColumns(gated.map(({ job }) => job))],
  );
}

async function write(
  ground: Ground,
  session: Session,
  effects: Effects,
  jobs: readonly StoredJob[],
  now: number,
): Promise<number> {
  const { schema } = ground;
  const ids = [...new Set(jobs.flatMap(({ id, dependsOn }) => [id, ...dependsOn.filter((each) => each !== null)]))];
  const keys = [...new Set(jobs.flatMap(({ uniqueKey }) => uniqueKey ?? []))];
  await session.query(byIndex);
  const { known, holders } = await surroundings(ground, session, ids, keys);
  const landed = landings(jobs, now, { find: (id) => known.get(id), holder: (key) => holders.get(key) });
  if (landed.length === 0) return 0;
  const [first] = await session.query(`SELECT nextval($1) * 1048576`, [`${schema}.batch`]);
  const rows = landed.map((each, index) => ({ ...each, seq: String(BigInt(first?.[0] as string) + BigInt(index + 1)) }));
  const seqs = new Map([...known].map(([id, each]) => [id, each.seq ?? ""]));
  for (const { job, seq: own } of rows) seqs.set(job.id, own);
  for (const table of Object.keys(tables)) await insert(schema, session, table, rows);
  await writeGates(schema, session, rows);
  await insertEdges(schema, session, rows, seqs);
  await insertRecords(schema, session, rows);
  if (rows.some(({ job }) => job.state === "ready")) effects.ready();
  effects.atGates(rows.filter((row) => tablesOf(row).includes("standing")).map((row) => row.seq));
  for (const { job } of rows) if (job.state === "scheduled" || job.state === "waiting") effects.scheduled(job.dueAt, now);
  if (rows.some(({ job }) => isFinal(job.state))) effects.ended();
  return rows.length;
}

/** See `Store.load`. */
export function load(ground: Ground, session: Session, jobs: readonly StoredJob[], now: number): Promise<number> {
  return change(ground, session, now, (effects) => write(ground, session, effects, jobs, now));
}
