// Adding jobs: what becomes of them is decided in `arrival.ts`. Jobs that concern nobody else, since they have no unique key
// and depend on jobs of their own batch only, are decided on without asking the database. The others are decided on in a
// transaction that has the world to itself. Either way what several callers add is written together.
import { ManyhandsError } from "../../core/errors.ts";
import type { Known } from "../arrival.ts";
import { arrivals, takenId } from "../arrival.ts";
import type { NewJob } from "../job.ts";
import type { Added } from "../store.ts";
import type { Session } from "./connection.ts";
import { ConnectionLost } from "./connection.ts";
import type { Ground } from "./ground.ts";
import type { Part, Work } from "./line.ts";
import { fromStored, textArray } from "./text.ts";
import { alone } from "./transaction.ts";
import { isTakenId, isTakenKey } from "./trouble.ts";
import type { Decided, Writing, Written } from "./write.ts";
import { namesOf, storedAmong, write } from "./write.ts";

/** True when no job of the batch concerns a job that is stored. */
function isByItself(jobs: readonly NewJob[]): boolean {
  const own = new Set<string>();
  for (const { id, unique, dependsOn } of jobs) {
    if (unique !== null || !dependsOn.every((each) => own.has(each))) return false;
    own.add(id);
  }
  return true;
}

/** What `add` says of a batch. */
export function addedOf({ arrived }: Decided): Added[] {
  return arrived.map(({ job, existing }) => ({ id: job.id, existing }));
}

/** What is known of the store when batches are decided on that concern stored jobs. Each batch adds to it for the next. */
export interface Surroundings {
  readonly known: Map<string, Known & { readonly seq: string | null }>;
  readonly holders: Map<string, string>;
}

/** What is known of these ids and keys. */
export async function surroundings(
  { schema }: Ground,
  session: Session,
  ids: readonly string[],
  keys: readonly string[],
): Promise<Surroundings> {
  const rows = await session.query(
    `SELECT job.id, job.seq, coalesce(ended.state, 'blocked'), ended.cause, NULL
     FROM ${schema}.job LEFT JOIN ${schema}.ended ON ended.seq = job.seq WHERE job.id = ANY ($1)
     UNION ALL
     SELECT job.id, job.seq, 'blocked', NULL, holder.key FROM ${schema}.holder JOIN ${schema}.job ON job.seq = holder.seq
     WHERE holder.key = ANY ($2)`,
    [textArray(ids), textArray(keys)],
  );
  const known = new Map<string, Known & { readonly seq: string | null }>();
  const holders = new Map<string, string>();
  for (const [id, seq, state, cause, key] of rows as [string, string, Known["state"], string | null, string | null][]) {
    // A holder is live, and stands in for the jobs that are not added.
    known.set(fromStored(id), { seq, state, cause: cause === null ? null : fromStored(cause) });
    if (key !== null) holders.set(fromStored(key), fromStored(id));
  }
  return { known, holders };
}

/** What is known of all that these jobs name. */
function surroundingsOf(ground: Ground, session: Session, jobs: readonly NewJob[]): Promise<Surroundings> {
  const ids = [...new Set(jobs.flatMap(({ id, dependsOn }) => [id, ...dependsOn]))];
  const keys = [...new Set(jobs.flatMap(({ unique }) => unique?.key ?? []))];
  return surroundings(ground, session, ids, keys);
}

/** What one caller adds. */
interface Batch {
  readonly jobs: readonly NewJob[];
  readonly now: number;
}

/** Decides on a batch. Throws a StoreError when it cannot be added. */
function decide({ known, holders }: Surroundings, { jobs, now }: Batch): Decided {
  for (const { id } of jobs) if (known.has(id)) throw takenId(id);
  const arrived = arrivals(jobs, now, { find: (id) => known.get(id), holder: (key) => holders.get(key) });
  for (const { job, existing, state, cause } of arrived) {
    if (existing !== null) continue;
    known.set(job.id, { state, cause, seq: null });
    if (job.unique && state !== "failed") holders.set(job.unique.key, job.id);
  }
  return { arrived, now };
}

/** Decides on each of these batches in turn; gives the error of one that cannot be added. */
function decideAll(around: Surroundings, batches: readonly Batch[]): (Decided | Error)[] {
  return batches.map((batch) => {
    try {
      return decide(around, batch);
    } catch (error) {
      if (error instanceof ManyhandsError) return error;
      throw error;
    }
  });
}

/** True for a batch that can be added. */
export function isDecided(each: Decided | Error): each is Decided {
  return !(each instanceof Error);
}

interface Outcome extends Written {
  readonly decided: readonly (Decided | Error)[];
}

/** Adds batches that concern stored jobs. Needs the world to itself. */
export async function addAmongOthers(
  ground: Ground,
  session: Session,
  batches: readonly Batch[],
  writing: Writing = {},
): Promise<Outcome> {
  const around = await surroundingsOf(
    ground,
    session,
    batches.flatMap((batch) => batch.jobs),
  );
  const seqs = new Map([...around.known].map(([id, { seq }]) => [id, seq ?? ""]));
  const decided = decideAll(around, batches);
  return { decided, ...(await write(ground, session, decided.filter(isDecided), { ...writing, seqs })) };
}

/** True when these batches have been committed: ids are never used twice, so if all are there, they were. */
export async function areCommitted(ground: Ground, session: Session, batches: readonly Decided[]): Promise<boolean> {
  const ids = namesOf(batches);
  const stored = await storedAmong(ground, session, ids);
  return ids.length > 0 && ids.every((id) => stored.has(id));
}

// Above this a batch may take the server longer than an answer may.
const manyJobs = 5000;

/** Adds batches that concern nobody else; when the answer is lost, it looks before it does so again. */
function addingByThemselves(ground: Ground, batches: readonly Decided[]): Work<readonly (readonly Added[])[]> {
  let wasSent = false;
  return {
    long: namesOf(batches).length > manyJobs,
    run: async (session) => {
      if (!wasSent || !(await areCommitted(ground, session, batches))) {
        wasSent = true;
        const { happened, told } = await write(ground, session, batches);
        ground.bell.rang(happened, told);
      }
      return batches.map(addedOf);
    },
  };
}

/** The same for batches that concern stored jobs, with the error of each that cannot be added. */
function addingAmongOthers(ground: Ground, batches: readonly Batch[]): Work<readonly (readonly Added[] | Error)[]> {
  let outcome: Outcome | undefined;
  const attempt = async (session: Session): Promise<Outcome> => {
    if (outcome && (await areCommitted(ground, session, outcome.decided.filter(isDecided)))) return outcome;
    await alone(session, ground.world, async () => {
      outcome = await addAmongOthers(ground, session, batches);
    });
    return outcome as Outcome;
  };
  return {
    long: true,
    run: async (session) => {
      const { decided, happened, told } = await attempt(session);
      ground.bell.rang(happened, told);
      return decided.map((each) => (isDecided(each) ? addedOf(each) : each));
    },
  };
}

/** Says which id is taken when one is. */
export async function withTakenId<T>(
  ground: Ground,
  session: Session,
  jobs: readonly NewJob[],
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isTakenId(error)) throw error;
    const names = jobs.map(({ id }) => id);
    const stored = await storedAmong(ground, session, names);
    const taken = names.find((id) => stored.has(id));
    throw taken === undefined ? error : takenId(taken);
  }
}

const nothingStored = { find: () => undefined, holder: () => undefined };

class Addition implements Part, Batch {
  readonly jobs: readonly NewJob[];
  readonly now: number;
  readonly weight: number;
  readonly #ground: Ground;
  /** What becomes of jobs that concern nobody else. */
  readonly #decided: Decided | undefined;

  constructor(ground: Ground, jobs: readonly NewJob[], now: number) {
    this.jobs = jobs;
    this.now = now;
    this.weight = jobs.length;
    this.#ground = ground;
    if (isByItself(jobs)) this.#decided = { arrived: arrivals(jobs, now, nothingStored), now };
  }

  together(parts: readonly Part[]): Work<readonly (readonly Added[] | Error)[]> {
    const all = parts as readonly Addition[];
    const decided = all.flatMap((each) => each.#decided ?? []);
    return decided.length === all.length ? addingByThemselves(this.#ground, decided) : addingAmongOthers(this.#ground, all);
  }
}

/** Adds jobs; see `Store.add`. Throws when the batch cannot be added whatever is stored. */
export function add(ground: Ground, jobs: readonly NewJob[], now: number): Work<readonly Added[]> {
  const part = new Addition(ground, jobs, now);
  const work = part.together([part]);
  return {
    part,
    long: work.long ?? false,
    run: (session) =>
      withTakenId(ground, session, jobs, async () => {
        const [added] = await work.run(session);
        if (added instanceof Error) throw added;
        return added ?? [];
      }),
  };
}

// This program hears of the commit as all others do, since nobody tells it.
const outsider = "tx";

const mostTriesIn = 5;

/** True when jobs of the batch depend on stored ones, as they came or because one stands in for them. */
function dependsOnStored({ arrived }: Decided): boolean {
  const own = new Set(arrived.filter(({ existing }) => existing === null).map(({ job }) => job.id));
  return arrived.some(({ existing, dependsOn }) => existing === null && dependsOn.some((id) => !own.has(id)));
}

/**
 * Adds jobs within a transaction of the caller's, see `Store.addIn`. It may stay open for long, so the lock on the world is taken only
 * where the jobs depend on stored ones, which must then stay as they are until the caller commits.
 */
export async function addIn(ground: Ground, session: Session, jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
  for (let tries = 1; ; tries++) {
    await session.query("SAVEPOINT manyhands");
    try {
      const added = await addInOnce(ground, session, jobs, now);
      await session.query("RELEASE SAVEPOINT manyhands");
      return added;
    } catch (error) {
      // The caller's transaction is still good.
      if (!(error instanceof ConnectionLost)) await session.query("ROLLBACK TO SAVEPOINT manyhands; RELEASE SAVEPOINT manyhands");
      // Another transaction had the key, and has committed meanwhile.
      if (!isTakenKey(error) || tries === mostTriesIn) throw error;
    }
  }
}

async function addInOnce(ground: Ground, session: Session, jobs: readonly NewJob[], now: number): Promise<readonly Added[]> {
  const batch = [{ jobs, now }];
  let [only] = isByItself(jobs) ? [] : decideAll(await surroundingsOf(ground, session, jobs), batch);
  if (only && isDecided(only) && dependsOnStored(only)) {
    await session.query(`SELECT pg_advisory_xact_lock(${ground.world})`);
  }
  const { decided } = await addAmongOthers(ground, session, batch, { origin: outsider });
  [only] = decided;
  if (only instanceof Error) throw only;
  return only ? addedOf(only) : [];
}
