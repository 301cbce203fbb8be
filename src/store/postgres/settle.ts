// Recording how attempts ended, and claiming: one call of a function in the database. Done outcomes, nearly all of them, go in a form
// of their own. Jobs are named by their seqs, which this program knows of the jobs it gave out; when one is out of date nothing has
// happened, and all are looked up.
import type { ClaimedJob, Outcome } from "../job.ts";
import type { Settled, Want } from "../store.ts";
import type { Row } from "./client.ts";
import { toClaimed, toEnded } from "./columns.ts";
import type { Session } from "./connection.ts";
import { staleSeq } from "./functions/codes.ts";
import type { Ground } from "./ground.ts";
import { numberArray, textArray, toStored } from "./text.ts";
import { hasCode } from "./trouble.ts";

interface Named {
  readonly outcome: Outcome;
  readonly seq: string;
}

const nobody = "0";

/** Finds the seqs of these jobs; those not stored get one that fits no job. */
async function lookUp({ schema }: Ground, session: Session, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await session.query(`SELECT id, seq FROM ${schema}.job WHERE id = ANY ($1)`, [textArray(ids)]);
  return new Map(rows.map(([id, seq]) => [id as string, seq as string]));
}

function doneArguments(done: readonly Named[]): readonly (string | null)[] {
  if (done.length === 0) return [null, null, null];
  return [
    numberArray(done.map(({ seq }) => seq)),
    numberArray(done.map(({ outcome }) => outcome.fence)),
    textArray(done.map(({ outcome }) => (outcome.kind === "done" ? outcome.result : null))),
  ];
}

function otherArguments(others: readonly Named[]): readonly (string | null)[] {
  if (others.length === 0) return [null, null, null, null, null, null];
  return [
    numberArray(others.map(({ seq }) => seq)),
    numberArray(others.map(({ outcome }) => outcome.fence)),
    textArray(others.map(({ outcome }) => outcome.kind)),
    textArray(
      others.map(({ outcome }) => ("error" in outcome ? outcome.error : outcome.kind === "waiting" ? outcome.waits : null)),
    ),
    numberArray(others.map(({ outcome }) => ("dueAt" in outcome ? outcome.dueAt : null))),
    numberArray(others.map(({ outcome }) => (outcome.kind === "waiting" ? outcome.seen : null))),
  ];
}

const mostRoom = 1_000_000_000;

function wantsJson(wants: readonly Want[]): string {
  return JSON.stringify(
    wants.map(({ queues, tasks, limit }) => ({
      queues: [...new Set(queues)].map(toStored),
      tasks: [...new Set(tasks)].map(toStored),
      limit: Math.floor(Math.min(limit, mostRoom)),
    })),
  );
}

interface Head {
  /** How many outcomes did not count. */
  readonly missing: number;
  /** When some did not: the places, from 1 on, of those that did. */
  readonly done: readonly number[] | null;
  readonly others: readonly number[] | null;
  readonly ended: readonly Row[];
  readonly happened: number;
  readonly told: number;
}

interface Call {
  readonly worker: string;
  readonly outcomes: readonly Named[];
  readonly wants: readonly Want[];
  readonly now: number;
  readonly strict: boolean;
}

async function call(
  { schema, world, bell, settles }: Ground,
  session: Session,
  asked: Call,
): Promise<readonly [Head, readonly Row[]]> {
  const { worker, outcomes, wants, now, strict } = asked;
  const done = outcomes.filter(({ outcome }) => outcome.kind === "done");
  const others = done.length === outcomes.length ? [] : outcomes.filter(({ outcome }) => outcome.kind !== "done");
  const { may, must } = bell.ring();
  const number = settles.next();
  const values = [
    toStored(worker),
    now,
    world,
    strict,
    ...doneArguments(done),
    ...otherArguments(others),
    wantsJson(wants),
    bell.channel,
    bell.origin,
    number,
    may,
    must,
  ];
  const marks = values.map((_, index) => `$${index + 1}`).join(", ");
  const [first, ...claimed] = await session.query(`SELECT * FROM ${schema}.settle(${marks})`, values);
  return [first?.[0] as Head, claimed];
}

/** The first of outcomes that name the same claim: of those that count at most one can. */
function firstOfEach(outcomes: readonly Outcome[]): { readonly unique: readonly Outcome[]; readonly indexes: readonly number[] } {
  const seen = new Set<string>();
  const indexes: number[] = [];
  const unique = outcomes.filter(({ id, fence }, index) => {
    const claim = `${fence} ${id}`;
    if (seen.has(claim)) return false;
    indexes.push(index);
    return seen.add(claim);
  });
  return { unique, indexes };
}

async function callKnown(
  ground: Ground,
  session: Session,
  outcomes: readonly Outcome[],
  rest: Pick<Call, "worker" | "wants" | "now">,
): Promise<readonly [Head, readonly Row[]]> {
  const known = outcomes.map((outcome) => ({ outcome, seq: ground.given.find(outcome.id) ?? nobody }));
  if (known.every(({ seq }) => seq !== nobody)) {
    try {
      return await call(ground, session, { ...rest, outcomes: known, strict: true });
    } catch (error) {
      if (!hasCode(error, staleSeq)) throw error;
    }
  }
  const seqs = await lookUp(
    ground,
    session,
    outcomes.map(({ id }) => id),
  );
  const found = outcomes.map((outcome) => ({ outcome, seq: seqs.get(toStored(outcome.id)) ?? nobody }));
  return call(ground, session, { ...rest, outcomes: found, strict: false });
}

function refusedOf(all: number, indexes: readonly number[], outcomes: readonly Outcome[], head: Head): number[] {
  if (head.missing === 0 && indexes.length === all) return [];
  const done = indexes.filter((_, at) => outcomes[at]?.kind === "done");
  const others = indexes.filter((_, at) => outcomes[at]?.kind !== "done");
  const counted = head.missing === 0 ? indexes : [...inPlaces(done, head.done), ...inPlaces(others, head.others)];
  const good = new Set(counted);
  return Array.from({ length: all }, (_, index) => index).filter((index) => !good.has(index));
}

function inPlaces(indexes: readonly number[], places: readonly number[] | null): number[] {
  return (places ?? []).flatMap((place) => indexes[place - 1] ?? []);
}

/** Records outcomes and claims; see `Store.settle`. */
export async function settle(
  ground: Ground,
  session: Session,
  worker: string,
  outcomes: readonly Outcome[],
  wants: readonly Want[],
  now: number,
): Promise<Settled> {
  const { unique, indexes } = firstOfEach(outcomes);
  const [head, rows] = await callKnown(ground, session, unique, { worker, wants, now });
  const refused = refusedOf(outcomes.length, indexes, unique, head);
  for (const { id } of unique) ground.given.forget(id);
  const claimed: ClaimedJob[] = rows.map((row) => {
    const job = toClaimed(row);
    ground.given.remember(job.id, row[1] as string);
    return job;
  });
  ground.bell.rang(head.happened, head.told);
  return { refused, ended: head.ended.map(toEnded), claimed };
}
