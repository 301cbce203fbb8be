// The floor of the durable rows: Node's own SQLite with a table, an index of what is ready, and nothing else. FULL durability;
// one transaction for each batch; results are kept. It has no promises, no leases and no retries.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { give, told } from "../give.ts";
import type { Figures } from "../row.ts";
import { storeFolder } from "./folder.ts";

interface Told {
  readonly work: "add" | "drain";
  readonly count: number;
  readonly batch: number;
}

const { work, count, batch } = told as Told;
const db = new DatabaseSync(`${storeFolder()}/bare.db`);
db.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT NOT NULL, args TEXT NOT NULL, worker TEXT, result TEXT);
  CREATE INDEX ready ON jobs (id) WHERE state = 'ready';
`);
const insert = db.prepare("INSERT INTO jobs (state, args) VALUES ('ready', ?)");
const claim = db.prepare(
  "UPDATE jobs SET state = 'running', worker = 'w' WHERE id IN (SELECT id FROM jobs WHERE state = 'ready' ORDER BY id LIMIT ?) RETURNING id, args",
);
const settle = db.prepare("UPDATE jobs SET state = 'done', result = ? WHERE id = ?");

function inTransaction(run: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  run();
  db.exec("COMMIT");
}

function add(jobs: number): void {
  for (let from = 0; from < jobs; from += batch) {
    inTransaction(() => {
      for (let n = from; n < Math.min(jobs, from + batch); n++) insert.run(JSON.stringify([{ n }]));
    });
  }
}

/** Settles a batch and claims the next in the same transaction. */
function drain(): void {
  let claimed: { readonly id: number; readonly args: string }[] = [];
  do {
    const results = claimed.map(({ id, args }) => ({ id, result: JSON.stringify((JSON.parse(args) as unknown[])[0]) }));
    inTransaction(() => {
      for (const { id, result } of results) settle.run(result, id);
      claimed = claim.all(batch) as unknown as typeof claimed;
    });
  } while (claimed.length > 0);
}

function timed(run: () => void): Figures {
  const began = performance.now();
  run();
  return { perSecond: (count / (performance.now() - began)) * 1000 };
}

function number(sql: string): unknown {
  return db.prepare(sql).get()?.["n"];
}

add(count / 10);
if (work === "add") {
  const figures = timed(() => add(count));
  assert.equal(number("SELECT count(*) AS n FROM jobs WHERE state = 'ready'"), count + count / 10);
  give(figures);
} else {
  drain();
  add(count);
  const figures = timed(drain);
  assert.equal(number("SELECT count(*) AS n FROM jobs WHERE state = 'done' AND '[' || result || ']' = args"), count + count / 10);
  give(figures);
}
db.close();
