// Adding jobs. What becomes of them is decided in `arrival.ts`; here it is written, jobs first, then their edges.
import type { SQLInputValue } from "node:sqlite";
import type { Arrival } from "../arrival.ts";
import { arrivals, takenId } from "../arrival.ts";
import type { NewJob } from "../job.ts";
import type { Added, Store } from "../store.ts";
import type { Effects } from "./commits.ts";
import type { Connection } from "./connection.ts";
import { openGates } from "./gates.ts";
import { setRecord, storesOwn, tellWritten, textOf } from "./record.ts";
import { gatesText, rest, standing } from "./rest.ts";
import { longArguments } from "./schema.ts";
import { isTakenId } from "./trouble.ts";

// Jobs added together are mostly alike: what differs comes first, what they share is bound once for all rows of a statement.
const ownColumns = "id, args, submitted_at, due_at, expires_at".split(", ");
const gatedColumns = [...ownColumns, "gates", "gate", "ahead"];
const sharedColumns = (
  "state, queue, task, rank, crash_limit, dependencies, pending, unique_held, keep_ms, ready_at, " +
  "ended_at, prune_at, root, parent, trace, unique_key, unique_until, cause, policy"
).split(", ");

function insertRows(rows: number, own: readonly string[]): string {
  const shared = sharedColumns.map((_, index) => `?${index + 1}`);
  const row = (at: number): string => {
    const values = own.map((_, index) => `?${shared.length + at * own.length + index + 1}`);
    return `(${[...shared, ...values].join(", ")})`;
  };
  const values = Array.from({ length: rows }, (_, at) => row(at)).join(", ");
  return `INSERT INTO job (${[...sharedColumns, ...own].join(", ")}) VALUES ${values}`;
}

// Found by measuring: 16 to 64 rows a statement are equally fast, one is half as fast.
const rowsAtOnce = 32;
const insertMany = insertRows(rowsAtOnce, ownColumns);
const insertOne = insertRows(1, ownColumns);
const insertManyGated = insertRows(rowsAtOnce, gatedColumns);
const insertOneGated = insertRows(1, gatedColumns);

/** The live job that holds a unique key. */
export function holderOf(db: Connection, key: string): string | undefined {
  return db.get<{ id: string }>("SELECT id FROM job WHERE unique_key = ? AND unique_held = 1", key)?.id;
}

function sharedValues({ job, dependsOn, state, pending, cause }: Arrival, now: number): readonly SQLInputValue[] {
  const { unique } = job;
  const failed = state === "failed";
  return [
    state === "ready" && isGated(job) ? "blocked" : state,
    job.queue,
    job.task,
    -job.priority,
    job.crashLimit,
    dependsOn.length,
    pending,
    unique && !failed ? 1 : 0,
    job.keepMs,
    state === "ready" && !isGated(job) ? now : null,
    failed ? now : null,
    failed ? now + job.keepMs : null,
    job.root === job.id ? null : job.root,
    job.parent,
    job.trace,
    unique?.key ?? null,
    unique?.until ?? null,
    cause,
    job.policy,
  ];
}

/** True for a call whose arguments are kept in long_args. */
export function isLong({ args }: Pick<NewJob, "args">): boolean {
  return args.length > longArguments;
}

function isGated({ gates }: NewJob): boolean {
  return gates.length > 0;
}

function ownValues({ job, state }: Arrival): readonly SQLInputValue[] {
  const values = [job.id, isLong(job) ? null : job.args, job.submittedAt, job.dueAt, job.expiresAt];
  if (!isGated(job)) return values;
  const { gate, ahead } = standing(job.gates, state);
  return [...values, gatesText(job), gate, ahead];
}

/** True when `sharedValues` gives the same for both. */
function areAlike(a: Arrival, b: Arrival): boolean {
  const [one, other] = [a.job, b.job];
  return (
    a.state === b.state &&
    one.queue === other.queue &&
    one.task === other.task &&
    one.priority === other.priority &&
    one.crashLimit === other.crashLimit &&
    a.dependsOn.length === b.dependsOn.length &&
    a.pending === b.pending &&
    one.keepMs === other.keepMs &&
    one.root === one.id &&
    other.root === other.id &&
    one.parent === other.parent &&
    one.trace === other.trace &&
    one.unique === other.unique &&
    a.cause === b.cause &&
    one.policy === other.policy &&
    isGated(one) === isGated(other)
  );
}

function insert(db: Connection, sql: string, rows: readonly Arrival[], now: number): number {
  try {
    return db.insert(sql, ...sharedValues(rows[0] as Arrival, now), ...rows.flatMap(ownValues));
  } catch (error) {
    if (!isTakenId(error)) throw error;
    const taken = rows.find(({ job }) => seqOf(db, job.id) !== -1);
    throw taken ? takenId(taken.job.id) : error;
  }
}

function statementFor(arrived: readonly Arrival[]): string {
  const { job } = arrived[0] as Arrival;
  if (isGated(job)) return arrived.length === 1 ? insertOneGated : insertManyGated;
  return arrived.length === 1 ? insertOne : insertMany;
}

const seqAfterAges = `
  SELECT CAST(age AS INTEGER) + 1 AS seq FROM tally WHERE age >= 1 + (SELECT coalesce(max(seq), 0) FROM job)`;

/** The seq that the next job must have to be later than all ages given to others; undefined when it will be: those of deleted jobs are used again. */
export function laterSeq(db: Connection, effects: Effects): number | undefined {
  if (effects.seqsAreLater) return undefined;
  effects.seqsAreLater = true;
  return db.get<{ seq: number }>(seqAfterAges)?.seq;
}

/** Gives the job added last this seq, if one is given; returns its seq. */
export function moveTo(db: Connection, seq: number, later: number | undefined): number {
  if (later === undefined) return seq;
  db.run("UPDATE job SET seq = ? WHERE seq = ?", later, seq);
  return later;
}

/** Writes the rows of these jobs; returns the seq of the first, the others follow. */
function write(db: Connection, arrived: readonly Arrival[], now: number, later: number | undefined): number {
  const last = insert(db, statementFor(arrived), arrived, now);
  const first = moveTo(db, last - arrived.length + 1, later);
  for (const [index, { job }] of arrived.entries()) {
    if (isLong(job)) db.run("INSERT INTO long_args (seq, text) VALUES (?, ?)", first + index, job.args);
  }
  return first;
}

/** The longest piece, from `at` on, that one statement can write: `rowsAtOnce` jobs that are alike, or one job. */
function nextPiece(arrived: readonly Arrival[], at: number): readonly Arrival[] {
  const first = arrived[at] as Arrival;
  const piece = arrived.slice(at, at + rowsAtOnce);
  return piece.length === rowsAtOnce && piece.every((each) => areAlike(first, each)) ? piece : [first];
}

/** Says what a job depends on at one position. */
export const insertEdge = "INSERT INTO edge (job, position, dep, tolerated) VALUES (?, ?, ?, ?)";

function seqOf(db: Connection, id: string): number {
  // It was found while the batch was planned, under the same lock.
  return db.get<{ seq: number }>("SELECT seq FROM job WHERE id = ?", id)?.seq ?? -1;
}

function finish(
  db: Connection,
  effects: Effects,
  { job, dependsOn, tolerant, state }: Arrival,
  seq: number,
  seqs: Map<string, number>,
  now: number,
): void {
  seqs.set(job.id, seq);
  for (const [position, id] of dependsOn.entries()) {
    db.run(insertEdge, seq, position, seqs.get(id) ?? seqOf(db, id), tolerant[position] === true ? 1 : 0);
  }
  if (state === "failed") effects.ended.push(seq);
  else rest(effects, { seq, gates: job.gates, dueAt: job.dueAt }, state, now);
}

/** Adds jobs; see `Store.add`. */
export function add(db: Connection, effects: Effects, jobs: readonly NewJob[], now: number): readonly Added[] {
  const arrived = arrivals(jobs, now, {
    find: (id) => db.get("SELECT state, cause FROM job WHERE id = ?", id),
    holder: (key) => holderOf(db, key),
  });
  const added: Arrival[] = [];
  for (const each of arrived) {
    if (each.existing === null) added.push(each);
    else if (seqOf(db, each.job.id) !== -1) throw takenId(each.job.id);
  }
  const seqs = new Map<string, number>();
  for (let at = 0; at < added.length;) {
    const later = laterSeq(db, effects);
    const piece = later === undefined ? nextPiece(added, at) : added.slice(at, at + 1);
    const first = write(db, piece, now, later);
    for (const [index, each] of piece.entries()) finish(db, effects, each, first + index, seqs, now);
    at += piece.length;
  }
  openGates(db, effects, now);
  return arrived.map(({ job, existing }) => ({ id: job.id, existing }));
}

/** See `Store.addIf`. */
export function addIf(
  db: Connection,
  effects: Effects,
  { name, from, to }: Parameters<Store["addIf"]>[0],
  jobs: readonly NewJob[],
  now: number,
): readonly Added[] | null {
  if (textOf(db, storesOwn, name) !== from) return null;
  const added = add(db, effects, jobs, now);
  setRecord(db, storesOwn, name, to);
  tellWritten(db, effects, storesOwn);
  return added;
}
