// The scripts of the store: one for each verb, put together from the parts under `lua/`. A script is named by its SHA-1, as the server
// keeps it.
import { createHash } from "node:crypto";
import { add } from "./lua/add.ts";
import { addPlain, answers } from "./lua/add-plain.ts";
import { base } from "./lua/base.ts";
import { cancel, change, retry } from "./lua/change.ts";
import { claim } from "./lua/claim.ts";
import { ends } from "./lua/ends.ts";
import { forgetHistory, history, keepEvents, readEvents } from "./lua/events.ts";
import { fields, places } from "./lua/fields.ts";
import { awaited, count, endings, get, inputs, lines, list, queues } from "./lua/read.ts";
import { writing } from "./lua/flush.ts";
import { dueGates, gates } from "./lua/gates.ts";
import { moves } from "./lua/moves.ts";
import { next } from "./lua/next.ts";
import { prune, pruneTaking } from "./lua/prune.ts";
import { addIf, listRecords, records, write } from "./lua/records.ts";
import { deletion, remove } from "./lua/remove.ts";
import { release } from "./lua/release.ts";
import { rounds } from "./lua/rounds.ts";
import { rows } from "./lua/rows.ts";
import { select } from "./lua/select.ts";
import { settle } from "./lua/settle.ts";
import { showGates } from "./lua/show-gates.ts";
import { dump, load } from "./lua/whole.ts";
import { drain, join, leave, listWorkers, note, pause, releaseOthers, renew, suspend, tend, workers } from "./lua/upkeep.ts";

/** A script and its name on the server. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

const placeNames = new RegExp(`\\b(?:${Object.keys(places).join("|")})\\b`, "gu");

function script(...parts: readonly string[]): Script {
  const text = parts.join("\n").replace(placeNames, (name) => String(places[name]));
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/** A verb as a function of its own: one has room for 200 names. */
function own(verb: string): string {
  return `return (function()\n${verb}\nend)()`;
}

const book = [base, history, fields, prune, rows, gates, moves, rounds, writing, records, ends] as const;

/** All scripts, by verb. */
export const scripts = {
  addPlain: script(base, history, answers, addPlain),
  add: script(...book, answers, add),
  addIf: script(...book, answers, addIf, add),
  settle: script(...book, release, claim, own(settle)),
  inputs: script(base, fields, prune, rows, inputs),
  awaited: script(base, fields, prune, rows, awaited),
  write: script(...book, answers, write),
  records: script(base, listRecords),
  suspend: script(...book, suspend),
  next: script(base, next),
  get: script(base, get),
  endings: script(base, fields, endings),
  list: script(...book, select, own(list)),
  count: script(...book, select, own(count)),
  queues: script(base, queues),
  lines: script(base, lines),
  gates: script(base, fields, prune, rows, gates, showGates),
  cancel: script(...book, select, own(cancel)),
  retry: script(...book, select, own(retry)),
  change: script(...book, select, deletion, own(change)),
  remove: script(...book, select, deletion, own(remove)),
  tend: script(...book, pruneTaking, deletion, workers, dueGates, forgetHistory, own(tend)),
  keepEvents: script(base, keepEvents),
  events: script(base, readEvents),
  dump: script(base, fields, prune, rows, dump),
  load: script(...book, own(load)),
  join: script(base, join),
  renew: script(base, renew),
  drain: script(base, drain),
  pause: script(base, pause),
  leave: script(...book, workers, leave),
  releaseOthers: script(...book, releaseOthers),
  note: script(...book, note),
  workers: script(base, listWorkers),
} as const satisfies Readonly<Record<string, Script>>;
