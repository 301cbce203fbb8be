// Whole rows out and in.
import type { SQLInputValue } from "node:sqlite";
import { isFinal } from "../../task/state.ts";
import type { Known } from "../arrival.ts";
import { tolerantPlaces } from "../arrival.ts";
import type { StoredJob, StoredRecord } from "../job.ts";
import type { Landing } from "../landing.ts";
import { landings } from "../landing.ts";
import { fitting } from "../part.ts";
import type { Dump } from "../store.ts";
import { holderOf, insertEdge, laterSeq, moveTo } from "./add.ts";
import type { JobRow } from "./columns.ts";
import { jobColumns, toJob } from "./columns.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { openGates } from "./gates.ts";
import { setRecord } from "./record.ts";
import type { RestingState } from "./rest.ts";
import { gatesText, rest, standing } from "./rest.ts";
import { longArguments } from "./schema.ts";
import { rowLimit } from "./where.ts";

const lengths = `
  SELECT octet_length(coalesce(args, (SELECT text FROM long_args WHERE long_args.seq = job.seq))) + coalesce(octet_length(result), 0)
    + coalesce(octet_length(error), 0) + coalesce((SELECT sum(octet_length(text)) FROM record WHERE record.job = job.seq), 0) FROM job WHERE seq > ? ORDER BY seq LIMIT ?`;
const wholeRows = `SELECT ${jobColumns}, job.unique_until AS uniqueUntil, job.seq FROM job WHERE job.seq > ? ORDER BY job.seq LIMIT ?`;
const edges = `
  SELECT edge.job, edge.position, edge.tolerated, below.id FROM edge CROSS JOIN job AS below ON below.seq = edge.dep
  WHERE edge.job BETWEEN ? AND ? ORDER BY edge.job, edge.position`;
const recordRows = "SELECT job, name, text FROM record WHERE job BETWEEN ? AND ? ORDER BY job, name";

interface WholeRow extends JobRow, Pick<StoredJob, "uniqueUntil"> {
  readonly seq: number;
}

/** What lies in other tables than the job. */
interface Rest {
  readonly dependsOn: (string | null)[];
  readonly tolerates: Set<string>;
  readonly records: StoredRecord[];
}

function restsOf(db: Connection, rows: readonly WholeRow[]): ReadonlyMap<number, Rest> {
  const rests = new Map<number, Rest>();
  for (const { seq, dependencies } of rows) {
    rests.set(seq, { dependsOn: Array<null>(dependencies).fill(null), tolerates: new Set(), records: [] });
  }
  const [first, last] = [rows[0]?.seq ?? 0, rows.at(-1)?.seq ?? -1];
  interface EdgeRow {
    readonly job: number;
    readonly position: number;
    readonly tolerated: number;
    readonly id: string;
  }
  for (const { job, position, tolerated, id } of db.all<EdgeRow>(edges, first, last)) {
    const found = rests.get(job);
    if (!found) continue;
    found.dependsOn[position] = id;
    if (tolerated === 1) found.tolerates.add(id);
  }
  for (const { job, name, text } of db.all<StoredRecord & { job: number }>(recordRows, first, last)) {
    rests.get(job)?.records.push({ name, text });
  }
  return rests;
}

/** See `Store.dump`. */
export function dump(db: Connection, after: string | null, limit: number): Dump {
  return db.snapshot(() => {
    const coming = db.lists<[number]>(lengths, Number(after), rowLimit(limit)).map(([length]) => length);
    const rows = db.all<WholeRow>(wholeRows, Number(after), fitting(coming));
    const rests = restsOf(db, rows);
    const jobs = rows.map(({ seq, uniqueUntil, ...job }) => {
      const { dependsOn, tolerates, records } = rests.get(seq) as Rest;
      return { ...toJob(job), dependsOn, tolerates: [...tolerates], uniqueUntil, records };
    });
    return { jobs, next: coming.length < limit && rows.length === coming.length ? null : String(rows.at(-1)?.seq ?? after) };
  });
}

/** What is written of a job, by column. */
function columnsOf({ job, holdsKey }: Landing): Readonly<Record<string, SQLInputValue>> {
  const { state, gate, ahead } = standing(job.gates, job.state);
  return {
    id: job.id,
    state,
    queue: job.queue,
    task: job.task,
    rank: -job.priority,
    attempt: job.attempt,
    crashes: job.crashes,
    crash_limit: job.crashLimit,
    fence: job.fence,
    dependencies: job.dependencies,
    pending: job.pending,
    unique_held: holdsKey ? 1 : 0,
    worker: job.worker,
    submitted_at: job.submittedAt,
    due_at: job.dueAt,
    expires_at: job.expiresAt,
    keep_ms: job.keepMs,
    ready_at: job.readyAt,
    started_at: job.startedAt,
    ended_at: job.endedAt,
    prune_at: job.endedAt === null ? null : job.endedAt + job.keepMs,
    cancel_at: job.cancelAt,
    root: job.root === job.id ? null : job.root,
    parent: job.parent,
    trace: job.trace,
    unique_key: job.uniqueKey,
    unique_until: job.uniqueUntil,
    cause: job.cause,
    cancel_reason: job.cancelReason,
    progress: job.progress,
    policy: job.policy,
    error: job.error,
    args: job.args.length > longArguments ? null : job.args,
    result: job.result,
    waits: job.waits,
    gates: gatesText(job),
    gate,
    ahead,
  };
}

function write(db: Connection, effects: Effects, landing: Landing): number {
  const columns = columnsOf(landing);
  const names = Object.keys(columns);
  const sql = `INSERT INTO job (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`;
  const later = laterSeq(db, effects);
  const seq = moveTo(db, db.insert(sql, ...Object.values(columns)), later);
  if (columns["args"] === null) db.run("INSERT INTO long_args (seq, text) VALUES (?, ?)", seq, landing.job.args);
  return seq;
}

/** See `Store.load`. */
export function load(db: Connection, effects: Effects, jobs: readonly StoredJob[], now: number): number {
  const seqs = new Map<string, number>();
  const find = (id: string): (Known & { readonly seq: number }) | undefined =>
    db.get("SELECT seq, state, cause FROM job WHERE id = ?", id);
  const landed = landings(jobs, now, { find, holder: (key) => holderOf(db, key) });
  for (const landing of landed) {
    const { job } = landing;
    const seq = write(db, effects, landing);
    seqs.set(job.id, seq);
    const tolerant = tolerantPlaces(job);
    for (const [position, id] of job.dependsOn.entries()) {
      const dep = id === null ? undefined : (seqs.get(id) ?? find(id)?.seq);
      if (dep !== undefined) db.run(insertEdge, seq, position, dep, tolerant[position] === true ? 1 : 0);
    }
    for (const { name, text } of job.records) setRecord(db, seq, name, text);
    if (isFinal(job.state)) effects.ended.push(seq);
    else rest(effects, { seq, gates: job.gates, dueAt: job.dueAt }, job.state as RestingState, now);
  }
  openGates(db, effects, now);
  return landed.length;
}
