// Telling others what a rare verb did, in its transaction, and this program when it is committed.
import type { Ended } from "../job.ts";
import { isDueSoon } from "../machine.ts";
import type { Row } from "./client.ts";
import { toEnded } from "./columns.ts";
import type { Session } from "./connection.ts";
import { endedBit, ownBit, readyBit, scheduledBit } from "./functions/codes.ts";
import type { Ground } from "./ground.ts";
import { numberArray, sparseStoredArray } from "./text.ts";
import { alone } from "./transaction.ts";

/** What a transaction did so far that others want to know. */
export class Effects {
  /** Jobs that walked up to a gate, by their seqs. */
  readonly walked: string[] = [];
  /** Gates, as their names are stored, once for each place given back. */
  readonly freed: string[] = [];
  #bits = 0;

  get bits(): number {
    return this.#bits;
  }

  /** A job became ready, or a worker should look. */
  ready(): void {
    this.#bits |= readyBit;
  }

  /** A job came that is due then. */
  scheduled(dueAt: number | null, now: number): void {
    if (isDueSoon(dueAt, now)) this.#bits |= scheduledBit;
  }

  ended(): void {
    this.#bits |= endedBit;
  }

  /** One of the store's own records was written. */
  own(): void {
    this.#bits |= ownBit;
  }

  /** These jobs walked up to a gate, and gates were given these places back; a null list is empty. */
  atGates(walked: unknown, freed: unknown = null): void {
    for (const seq of (walked ?? []) as readonly string[]) this.walked.push(seq);
    for (const name of (freed ?? []) as readonly string[]) this.freed.push(name);
  }

  add(bits: number): void {
    this.#bits |= bits;
  }
}

async function ring({ bell }: Ground, session: Session, bits: number): Promise<number> {
  const { told, text } = bell.payload(bits);
  if (text !== null) await session.query("SELECT pg_notify($1, $2)", [bell.channel, text]);
  return told;
}

/** Lets those pass their gates that can after what was done so far, and where `due` gates want to be looked at. */
export async function passGates(
  { schema }: Ground,
  session: Session,
  effects: Effects,
  now: number,
  due: readonly string[] = [],
): Promise<void> {
  const [walked, freed] = [effects.walked.splice(0), effects.freed.splice(0)];
  if (walked.length + freed.length + due.length === 0) return;
  const values = [numberArray(walked), sparseStoredArray(freed), sparseStoredArray(due), now];
  const [row] = await session.query(`SELECT happened FROM ${schema}.pass_gates($1, $2, $3, $4, NULL)`, values);
  effects.add(row?.[0] as number);
}

/** Runs a rare verb in a transaction that has the world to itself, unless it is said otherwise, and tells what it did. */
export async function change<T>(
  ground: Ground,
  session: Session,
  now: number,
  body: (effects: Effects) => Promise<T>,
  among: typeof alone = alone,
): Promise<T> {
  const effects = new Effects();
  let told = 0;
  const result = await among(session, ground.world, async () => {
    const done = await body(effects);
    await passGates(ground, session, effects, now);
    told = await ring(ground, session, effects.bits);
    return done;
  });
  ground.bell.rang(effects.bits, told);
  return result;
}

/** Ends jobs that do not run; a list of causes that is null means none. */
export async function endWaiting(
  { schema }: Ground,
  session: Session,
  effects: Effects,
  ...values: readonly [seqs: string, state: string, causes: string | null, reason: string | null, now: number]
): Promise<void> {
  const [row] = await session.query(`SELECT ${schema}.end_waiting($1, $2, $3, $4, $5)`, values);
  effects.atGates(null, row?.[0]);
}

/**
 * Fails what waits for these jobs, which ended otherwise than done, and so on up, and releases what tolerates it; a list of the jobs by
 * which those that fail are told why. Gives those that failed.
 */
export async function failAbove(
  { schema }: Ground,
  session: Session,
  effects: Effects,
  ...values: readonly [seqs: string, causes: string, now: number]
): Promise<Ended[]> {
  const [row] = await session.query(`SELECT ended, readied, walked FROM ${schema}.fail_above($1, $2, $3)`, values);
  if (row?.[1] === true) effects.ready();
  effects.atGates(row?.[2]);
  return endedIn(row?.[0]);
}

/** Reads the list of ended jobs that a function gives. */
export function endedIn(list: unknown): Ended[] {
  return (list as readonly Row[]).map(toEnded);
}
