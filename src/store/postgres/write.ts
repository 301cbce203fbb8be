// Writing jobs on which it has been decided, by one call of a function.
import type { Arrival } from "../arrival.ts";
import { isDueSoon } from "../machine.ts";
import type { Bell } from "./bell.ts";
import type { Session } from "./connection.ts";
import { endedBit, readyBit, scheduledBit } from "./functions/codes.ts";
import type { Ground } from "./ground.ts";
import { Kinds } from "./kinds.ts";
import { fromStored, numberArray, sparseNumberArray, sparseTextArray, textArray } from "./text.ts";

/** A decided batch with the time of its `add`. */
export interface Decided {
  readonly arrived: readonly Arrival[];
  readonly now: number;
}

function happenedIn(batches: readonly Decided[]): number {
  let happened = 0;
  for (const { arrived, now } of batches) {
    for (const { job, existing, state } of arrived) {
      if (existing !== null) continue;
      if (state === "ready") happened |= readyBit;
      else if (state === "failed") happened |= endedBit;
      else if (state === "scheduled" && isDueSoon(job.dueAt, now)) happened |= scheduledBit;
    }
  }
  return happened;
}

interface Edges {
  readonly jobs: number[];
  readonly positions: number[];
  readonly deps: (number | string)[];
  /** Null where it must end as done. */
  readonly tolerated: (string | null)[];
}

function edgesOf(added: readonly Arrival[], seqs: ReadonlyMap<string, string>): Edges | undefined {
  if (added.every(({ dependsOn }) => dependsOn.length === 0)) return undefined;
  const places = new Map(added.map(({ job }, index) => [job.id, index + 1]));
  const edges: Edges = { jobs: [], positions: [], deps: [], tolerated: [] };
  for (const [index, { dependsOn, tolerant }] of added.entries()) {
    for (const [position, id] of dependsOn.entries()) {
      const place = places.get(id);
      edges.jobs.push(index + 1);
      edges.positions.push(position);
      edges.tolerated.push(tolerant[position] === true ? "true" : null);
      edges.deps.push(place === undefined ? (seqs.get(id) ?? 0) : -place);
    }
  }
  return edges;
}

function edgeColumns(edges: Edges | undefined): readonly (string | null)[] {
  if (!edges) return [null, null, null, null];
  const { jobs, positions, deps, tolerated } = edges;
  return [numberArray(jobs), numberArray(positions), numberArray(deps), sparseTextArray(tolerated)];
}

/** True when only its id, arguments and time tell this job from others of its kind. */
function isPlain({ job, state }: Arrival): boolean {
  const { dueAt, expiresAt, unique, dependsOn, gates } = job;
  return state === "ready" && dueAt === null && expiresAt === null && unique === null && dependsOn.length + gates.length === 0;
}

/** What writing did, for the bell. */
export interface Written {
  readonly happened: number;
  readonly told: number;
}

/** What else writing needs to know. */
export interface Writing {
  /** The seqs of stored jobs that the batches depend on. */
  readonly seqs?: ReadonlyMap<string, string>;
  /** Whose notification it is, when it is not this program's. */
  readonly origin?: string;
  /** True when the caller tells what happened. */
  readonly quiet?: boolean;
}

function notice(bell: Bell, happened: number, origin: string | undefined, quiet: boolean): ReturnType<Bell["payload"]> {
  if (quiet) return { told: 0, text: null };
  return origin === undefined ? bell.payload(happened) : { told: happened, text: `${origin} ${happened}` };
}

/** Writes batches. */
export async function write(
  { schema, bell }: Ground,
  session: Session,
  batches: readonly Decided[],
  { seqs = new Map(), origin, quiet = false }: Writing = {},
): Promise<Written> {
  const kinds = new Kinds();
  const added: Arrival[] = [];
  const kindOf: number[] = [];
  for (const { arrived, now } of batches) {
    for (const each of arrived) {
      if (each.existing !== null) continue;
      added.push(each);
      kindOf.push(kinds.of(each.job, now));
    }
  }
  const happened = happenedIn(batches);
  if (added.length === 0) return { happened, told: 0 };
  const { told, text } = notice(bell, happened, origin, quiet);
  const jobs = added.map(({ job }) => job);
  const edges = edgesOf(added, seqs);
  const values = [
    textArray(jobs.map(({ id }) => id)),
    textArray(jobs.map(({ args }) => args)),
    numberArray(jobs.map(({ submittedAt }) => submittedAt)),
    kinds.count === 1 && added.every(isPlain) ? null : numberArray(kindOf),
    sparseNumberArray(
      jobs.map(({ dueAt }) => dueAt),
      null,
    ),
    sparseNumberArray(
      jobs.map(({ expiresAt }) => expiresAt),
      null,
    ),
    sparseNumberArray(
      added.map(({ dependsOn }) => dependsOn.length),
      0,
    ),
    sparseNumberArray(
      added.map(({ pending }) => pending),
      0,
    ),
    sparseTextArray(added.map(({ cause }) => cause)),
    sparseTextArray(jobs.map(({ unique }) => unique?.key ?? null)),
    sparseTextArray(jobs.map(({ unique }) => unique?.until ?? null)),
    ...kinds.columns(),
    ...edgeColumns(edges),
    bell.channel,
    text,
  ];
  const marks = values.map((_, index) => `$${index + 1}`).join(", ");
  await session.query(`SELECT ${schema}.add_jobs(${marks})`, values);
  return { happened, told };
}

/** Those of these ids that are stored. */
export async function storedAmong({ schema }: Ground, session: Session, ids: readonly string[]): Promise<Set<string>> {
  const rows = await session.query(`SELECT id FROM ${schema}.job WHERE id = ANY ($1)`, [textArray(ids)]);
  return new Set(rows.map(([id]) => fromStored(id as string)));
}

/** The ids of the jobs that are added. */
export function namesOf(batches: readonly Decided[]): string[] {
  return batches.flatMap(({ arrived }) => arrived.filter(({ existing }) => existing === null).map(({ job }) => job.id));
}
