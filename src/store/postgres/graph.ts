// The part of the graph that a cancellation or a retry may reach, read before it is decided on: the rules work on one job after
// another, and asking the server about each would take as many round trips.
import type { JobState } from "../../task/state.ts";
import { liveStates } from "../../task/state.ts";
import type { LiveJob } from "../cancellation.ts";
import { retryableStates, undoPrefix } from "../machine.ts";
import type { Ancestor, Graph } from "../revival.ts";
import type { JobFilter } from "../store.ts";
import type { Row } from "./client.ts";
import type { Session } from "./connection.ts";
import { beginsWith } from "./functions/records.ts";
import type { Ground } from "./ground.ts";
import { fromStored, fromStoredOrNull, numberArray, textArray } from "./text.ts";
import { whereAlso } from "./where.ts";

/** A job as {@link Neighbours} knows it. */
export interface LiveNode extends LiveJob {
  readonly seq: string;
  /** Its worker holds it. */
  readonly isHeld: boolean;
  /** It has something to undo when it is cancelled. */
  readonly canUndo: boolean;
}

interface Node extends LiveNode {
  readonly hasOwnRoot: boolean;
  /** Dependencies not yet done. */
  pending: number;
  readonly below: string[];
  readonly above: Map<string, Need>;
}

/** How a job needs another: how many of its dependencies that is, and whether it tolerates that it ends badly. */
interface Need {
  count: number;
  isTolerant: boolean;
}

type NodeRow = [string, string, JobState, boolean, boolean, boolean, number];

function bySeq(a: string, b: string): number {
  const [one, other] = [BigInt(a), BigInt(b)];
  return one < other ? -1 : Number(one > other);
}

/** A job that fails since one it needs has ended badly. */
export interface Failed {
  readonly seq: string;
  readonly id: string;
  readonly cause: string;
}

/** What the end of some jobs does to others. */
export interface Fallout {
  readonly failed: readonly Failed[];
  /** Of how many dependencies jobs are rid, also of some that fail. */
  readonly released: ReadonlyMap<string, number>;
}

/** Live jobs around some chosen ones, with their edges. */
export class Neighbours {
  readonly chosen: readonly LiveNode[];
  readonly #nodes = new Map<string, Node>();
  readonly #ended = new Set<string>();

  constructor(chosen: readonly string[], rows: readonly Row[], edges: readonly Row[]) {
    for (const [seq, id, state, hasOwnRoot, isHeld, canUndo, pending] of rows as NodeRow[]) {
      const facts = { seq, id: fromStored(id), state, hasOwnRoot, isHeld, canUndo };
      this.#nodes.set(seq, { ...facts, pending, below: [], above: new Map() });
    }
    for (const [job, dep, tolerated] of edges as [string, string, boolean | null][]) {
      this.#nodes.get(job)?.below.push(dep);
      const above = this.#nodes.get(dep)?.above;
      const need = above?.get(job) ?? { count: 0, isTolerant: true };
      above?.set(job, { count: need.count + 1, isTolerant: need.isTolerant && tolerated === true });
    }
    this.chosen = this.#live(chosen);
  }

  #live(seqs: Iterable<string>): Node[] {
    return [...seqs].flatMap((seq) => (this.#ended.has(seq) ? [] : (this.#nodes.get(seq) ?? [])));
  }

  end(seq: string): void {
    this.#ended.add(seq);
  }

  /** As in `cancellation.ts`. */
  below(seqs: readonly string[]): LiveNode[] {
    const found = new Set(seqs.flatMap((seq) => this.#nodes.get(seq)?.below ?? []));
    return this.#live(found).filter(({ hasOwnRoot }) => !hasOwnRoot);
  }

  isNeeded(seq: string): boolean {
    return this.#live(this.#nodes.get(seq)?.above.keys() ?? []).length > 0;
  }

  /** Fails the blocked jobs above these, and so on up, nearest first; each with the one at the bottom. Releases those that tolerate it. */
  failAbove(seqs: readonly string[]): Fallout {
    const failed: Failed[] = [];
    const released = new Map<string, number>();
    const queue = seqs.flatMap((seq) => this.#nodes.get(seq) ?? []).map(({ seq, id }) => ({ seq, cause: id }));
    // The list grows while it is walked.
    for (const { seq, cause } of queue) {
      const needs = this.#nodes.get(seq)?.above ?? new Map<string, Need>();
      for (const each of this.#live([...needs.keys()].sort(bySeq))) {
        const { count = 0, isTolerant } = needs.get(each.seq) ?? {};
        if (each.pending === 0) continue;
        if (isTolerant) {
          each.pending -= count;
          released.set(each.seq, (released.get(each.seq) ?? 0) + count);
          continue;
        }
        this.end(each.seq);
        failed.push({ seq: each.seq, id: each.id, cause });
        queue.push({ seq: each.seq, cause });
      }
    }
    return { failed, released };
  }
}

/** The seqs of the jobs in these states that the filter selects, in the order they were added. */
async function choose({ schema }: Ground, session: Session, filter: JobFilter, states: readonly JobState[]): Promise<string[]> {
  const { sql, params } = whereAlso(schema, filter, states);
  const rows = await session.query(`SELECT jobs.seq FROM ${schema}.jobs WHERE ${sql} ORDER BY jobs.seq`, params);
  return rows.map(([seq]) => seq as string);
}

/** Reads what a cancellation of the live ones of these jobs may reach: what lies below them, and what needs one of all those. */
export async function loadNeighbours(ground: Ground, session: Session, filter: JobFilter): Promise<Neighbours> {
  const { schema } = ground;
  const chosen = await choose(ground, session, filter, liveStates);
  if (chosen.length === 0) return new Neighbours([], [], []);
  const edges = await session.query(
    `WITH RECURSIVE below(seq) AS (
       SELECT unnest($1::bigint[])
       UNION SELECT edge.dep FROM below JOIN ${schema}.edge ON edge.job = below.seq JOIN ${schema}.job ON job.seq = edge.dep
       WHERE job.root IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${schema}.ended WHERE ended.seq = edge.dep)
     ), above(seq) AS (
       SELECT unnest($1::bigint[])
       UNION SELECT edge.job FROM above JOIN ${schema}.edge ON edge.dep = above.seq
       WHERE NOT EXISTS (SELECT 1 FROM ${schema}.ended WHERE ended.seq = edge.job)
     ), met AS (
       SELECT edge.* FROM below JOIN ${schema}.edge ON edge.job = below.seq
       UNION SELECT edge.* FROM below JOIN ${schema}.edge ON edge.dep = below.seq
       UNION SELECT edge.* FROM above JOIN ${schema}.edge ON edge.dep = above.seq
     )
     SELECT job, dep, tolerated FROM met ORDER BY job, position`,
    [numberArray(chosen)],
  );
  const seqs = new Set([...chosen, ...edges.flatMap(([job, dep]) => [job as string, dep as string])]);
  const rows = await session.query(
    `SELECT seq, id, state, root = id, worker IS NOT NULL, fence > 0 AND EXISTS (
       SELECT 1 FROM ${schema}.record WHERE record.seq = jobs.seq AND ${beginsWith("record.name", `'${undoPrefix}'`)}
     ), pending FROM ${schema}.jobs WHERE seq = ANY ($1) AND state IN (${liveStates.map((state) => `'${state}'`).join(", ")})`,
    [numberArray([...seqs])],
  );
  return new Neighbours(chosen, rows, edges);
}

/** A job as {@link Ancestors} knows it. */
export interface EndedNode extends Ancestor {
  readonly seq: string;
  readonly attempt: number;
  readonly dueAt: number | null;
}

/** Ended jobs and what lies below them. */
export class Ancestors implements Graph {
  readonly chosen: readonly string[];
  readonly #nodes = new Map<string, EndedNode>();
  readonly #holders: ReadonlyMap<string, string>;

  constructor(chosen: readonly string[], rows: readonly Row[], edges: readonly Row[], holders: readonly Row[]) {
    const names = new Map((rows as [string, string][]).map(([seq, id]) => [seq, fromStored(id)]));
    const below = new Map<string, string[]>();
    for (const [job, dep] of edges as [string, string][]) {
      const name = names.get(dep);
      if (name === undefined) continue;
      const its = below.get(job);
      if (its) its.push(name);
      else below.set(job, [name]);
    }
    type Found = [string, string, JobState, string | null, number, number, number | null];
    for (const [seq, , state, key, dependencies, attempt, dueAt] of rows as Found[]) {
      const id = names.get(seq) ?? "";
      const uniqueKey = fromStoredOrNull(key);
      this.#nodes.set(id, { seq, id, state, uniqueKey, dependencies, attempt, dueAt, dependsOn: below.get(seq) ?? [] });
    }
    this.#holders = new Map((holders as [string, string][]).map(([key, seq]) => [fromStored(key), seq]));
    this.chosen = chosen.flatMap((seq) => names.get(seq) ?? []);
  }

  find(id: string): EndedNode | undefined {
    return this.#nodes.get(id);
  }

  holder(key: string): string | undefined {
    return this.#holders.get(key);
  }
}

/** Reads what a retry of those of these jobs may reach that ended other than done: what lies below them, as deep as it is not done. */
export async function loadAncestors(ground: Ground, session: Session, filter: JobFilter): Promise<Ancestors> {
  const { schema } = ground;
  const chosen = await choose(ground, session, filter, retryableStates);
  if (chosen.length === 0) return new Ancestors([], [], [], []);
  const edges = await session.query(
    `WITH RECURSIVE over(seq) AS (
       SELECT unnest($1::bigint[])
       UNION SELECT edge.dep FROM over JOIN ${schema}.edge ON edge.job = over.seq JOIN ${schema}.ended ON ended.seq = edge.dep
       WHERE ended.state <> 'done'
     )
     SELECT edge.job, edge.dep FROM over JOIN ${schema}.edge ON edge.job = over.seq ORDER BY edge.job, edge.position`,
    [numberArray(chosen)],
  );
  const seqs = new Set([...chosen, ...(edges as [string, string][]).flat()]);
  const rows = await session.query(
    `SELECT seq, id, state, unique_key, dependencies, attempt, due_at FROM ${schema}.jobs WHERE seq = ANY ($1)`,
    [numberArray([...seqs])],
  );
  const keys = [...new Set(rows.flatMap((row) => (row[3] as string | null) ?? []))].map(fromStored);
  const holders =
    keys.length === 0 ? [] : await session.query(`SELECT key, seq FROM ${schema}.holder WHERE key = ANY ($1)`, [textArray(keys)]);
  return new Ancestors(chosen, rows, edges, holders);
}
