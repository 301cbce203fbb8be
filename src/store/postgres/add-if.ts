// Adding jobs together with a change of one of the store's own records, or only that.
import type { NewJob } from "../job.ts";
import type { Added, Store } from "../store.ts";
import { addAmongOthers, addedOf, areCommitted, isDecided, withTakenId } from "./add.ts";
import type { Session } from "./connection.ts";
import type { Effects } from "./effects.ts";
import { change } from "./effects.ts";
import type { Ground } from "./ground.ts";
import type { Work } from "./line.ts";
import { readOwn, writeOwn } from "./records.ts";
import type { Decided } from "./write.ts";
import { namesOf } from "./write.ts";

/** True when this was committed: its jobs are there, or where it has none the record says so. */
async function isCommitted(ground: Ground, session: Session, sent: Decided, isWritten: boolean): Promise<boolean> {
  return namesOf([sent]).length === 0 ? isWritten : areCommitted(ground, session, [sent]);
}

/** Adds jobs if a record of the store's own is as it says, and changes that; see `Store.addIf`. */
export function addIf(
  ground: Ground,
  { name, from, to }: Parameters<Store["addIf"]>[0],
  jobs: readonly NewJob[],
  now: number,
): Work<readonly Added[] | null> {
  // What was sent before; the answer may have been lost.
  let sent: Decided | undefined;
  const attempt = async (session: Session, effects: Effects): Promise<readonly Added[] | null> => {
    const stored = await readOwn(ground, session, name);
    if (sent && (await isCommitted(ground, session, sent, stored === to))) return addedOf(sent);
    if (stored !== from) return null;
    const { decided, happened } = await addAmongOthers(ground, session, [{ jobs, now }], { isQuiet: true });
    const [only] = decided;
    if (!only || !isDecided(only)) throw only ?? new Error("A batch was not decided on.");
    sent = only;
    await writeOwn(ground, session, name, to);
    effects.add(happened);
    effects.own();
    return addedOf(only);
  };
  return {
    long: true,
    run: (session) =>
      withTakenId(ground, session, jobs, () => change(ground, session, now, (effects) => attempt(session, effects))),
  };
}
