// Opening a SQLite store: what it makes, what it refuses and leaves as it was, and how it brings an older file up to date.
import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { StoreError } from "../../src/core/errors.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import type { Store } from "../../src/store/index.ts";
import { sqliteStore } from "../../src/store/index.ts";
import type { Step } from "../../src/store/sqlite/schema.ts";
import { applicationId, steps } from "../../src/store/sqlite/schema.ts";
import { openSqlite } from "../../src/store/sqlite/store.ts";
import { leaseMs, namesOf, newJob, newWorker, start, wants } from "../../src/testing/store-suite/bench.ts";
import { newPath } from "./files.ts";
import { goOnThroughGates } from "./gated.ts";

/** A path in a folder that exists. */
function pathInFolder(): string {
  const path = newPath();
  mkdirSync(dirname(path), { recursive: true });
  return path;
}

/** Opening must be refused with a StoreError that says this, and must not change the file. */
async function refuses(path: string, what: RegExp): Promise<void> {
  const before = statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path) : undefined;
  await assert.rejects(sqliteStore(path), (error) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.match(error.message, what);
    assert.ok(error.message.includes(path) || error.message.includes(dirname(path)), error.message);
    return true;
  });
  if (before) assert.deepEqual(readFileSync(path), before);
}

async function filled(path: string, jobs = 3): Promise<void> {
  const store = await sqliteStore(path);
  await store.add(
    Array.from({ length: jobs }, (_, i) => newJob({ id: `a${i}`, args: `["${"x".repeat(i % 700)}"]` })),
    start,
  );
  await store.close();
}

test("folder and file are made for their owner alone", async () => {
  const path = join(dirname(newPath()), "deep", "er", "hands.db");
  const store = await sqliteStore(path);
  await store.add([newJob({ id: "a" })], start);
  const mode = (name: string): number => statSync(name).mode & 0o777;
  assert.equal(mode(dirname(path)), 0o700);
  assert.equal(mode(dirname(dirname(path))), 0o700);
  for (const suffix of ["", "-wal", "-shm", "-bell"]) assert.equal(mode(path + suffix), 0o600, suffix);
  await store.close();
});

test("an empty file becomes a store; what was stored is there when it is opened again", async () => {
  const path = pathInFolder();
  writeFileSync(path, "");
  await filled(path);
  const store = await sqliteStore(path);
  assert.equal(await store.count({}), 3);
  const { schema, problems, settings } = await store.info();
  assert.equal(schema, steps.length);
  assert.deepEqual([settings["journal"], settings["durability"]], ["wal", "full"]);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /chmod 600/);
  await store.close();
});

test("a store may be opened by a link to its file", async () => {
  const path = pathInFolder();
  const link = `${path}-link`;
  const store = await sqliteStore(path);
  symlinkSync(path, link);
  const linked = await sqliteStore(link);
  const told = new Promise((resolve) => store.watch(resolve));
  await linked.add([newJob({ id: "a" })], start);
  assert.equal(await told, "ready");
  assert.equal(await store.count({}), 1);
  await Promise.all([store.close(), linked.close()]);
});

test("a path where there can be no store is refused", async () => {
  const folder = pathInFolder();
  mkdirSync(folder);
  await refuses(folder, /not a file/);
  const text = pathInFolder();
  writeFileSync(text, "Dear diary, ".repeat(1000));
  await refuses(text, /not a SQLite database/);
  await assert.rejects(sqliteStore(join(text, "hands.db")), /cannot be opened/);
});

test("the SQLite file of another program is refused and left as it was", async () => {
  const path = pathInFolder();
  const db = new DatabaseSync(path);
  db.exec("CREATE TABLE recipe (id INTEGER PRIMARY KEY); CREATE TABLE spice (id INTEGER PRIMARY KEY)");
  db.close();
  await refuses(path, /not a manyhands store.*"recipe", "spice"/);
  const other = pathInFolder();
  const empty = new DatabaseSync(other);
  empty.exec("PRAGMA application_id = 77; PRAGMA user_version = 1");
  empty.close();
  await refuses(other, /application id 77/);
});

test("a store of a newer version is refused and left as it was", async () => {
  const path = newPath();
  await filled(path);
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA user_version = ${steps.length + 6}`);
  db.close();
  await refuses(path, new RegExp(`layout ${steps.length + 6}.*knows ${steps.length}`));
});

/** The pages that say how a file is laid out. */
function layoutPages(path: string): ReadonlySet<unknown> {
  const db = new DatabaseSync(path);
  const rows = db.prepare("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'").all();
  db.close();
  return new Set(rows.map(({ pageno }) => pageno));
}

test("a damaged file gives a clear error, or a problem in info, but never wrong rows", async () => {
  const path = newPath();
  await filled(path, 2000);
  const layout = layoutPages(path);
  const file = openSync(path, "r+");
  for (let page = 4; page <= 40; page++) {
    // A file whose layout is damaged cannot even be opened.
    if (!layout.has(page)) writeSync(file, new Uint8Array(4096).fill(0x5a), 0, 4096, (page - 1) * 4096);
  }
  closeSync(file);
  const store = await sqliteStore(path);
  try {
    await assert.rejects(
      store.list({}, { limit: 5000 }),
      (error) => error instanceof StoreError && /damaged/.test(error.message),
    );
    assert.match((await store.info()).problems[0] ?? "", /damaged/);
    await assert.rejects(
      store.add(
        Array.from({ length: 500 }, (_, i) => newJob({ id: `b${i}` })),
        start,
      ),
      StoreError,
    );
  } finally {
    await store.close();
  }
  const cut = newPath();
  await filled(cut, 2000);
  writeFileSync(cut, readFileSync(cut).subarray(0, 5000));
  await assert.rejects(async () => {
    const opened = await sqliteStore(cut);
    try {
      await opened.list({}, { limit: 5000 });
    } finally {
      await opened.close();
    }
  }, StoreError);
});

/** Runs `run` as a user that may not write what root made. */
async function asNobody(run: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await run();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

const notAllowed = /must be allowed to write|the owner and the permissions/;
const noUsers = process.platform === "win32" ? "Windows has no such permissions" : false;

test("a folder or file that cannot be written is refused with what to do", { skip: noUsers }, async () => {
  const path = newPath();
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true });
  chmodSync(dirname(folder), 0o755);
  chmodSync(folder, 0o555);
  await asNobody(() => refuses(path, notAllowed));
  await asNobody(() => refuses(join(folder, "below", "hands.db"), notAllowed));
  chmodSync(folder, 0o755);
  await filled(path);
  chmodSync(path, 0o444);
  chmodSync(folder, 0o555);
  await asNobody(() => refuses(path, notAllowed));
  chmodSync(folder, 0o755);
  chmodSync(path, 0o600);
  const store = await sqliteStore(path);
  assert.equal(await store.count({}), 3);
  await store.close();
});

const secondStep: Step = {
  name: "a note for each job",
  sql: "ALTER TABLE job ADD COLUMN note TEXT; CREATE TABLE notes (text TEXT)",
};
const newer = [...steps, secondStep];
const open = (path: string, known: readonly Step[]): Promise<Store> =>
  openSqlite(path, { durability: "full", runtime: systemRuntime, steps: known });

test("an older store is brought up to date with all its rows; several may open it at once", async () => {
  const path = newPath();
  await filled(path, 50);
  const opened = await Promise.all([open(path, newer), open(path, newer), open(path, newer)]);
  for (const store of opened) {
    assert.equal(await store.count({}), 50);
    assert.equal((await store.info()).schema, newer.length);
  }
  assert.equal((await opened[0]?.get(["a49"]))?.[0]?.args, `["${"x".repeat(49)}"]`);
  await opened[1]?.add([newJob({ id: "new" })], start);
  assert.deepEqual((await opened[2]?.get(["new"]))?.length, 1);
  for (const store of opened) await store.close();
  await refuses(path, /newer/);
});

/** Writes a job as the second layout has it. */
function insertOld(db: DatabaseSync, job: Readonly<Record<string, string | number>>): void {
  const row = { queue: "queue", task: "task", rank: 0, crash_limit: 1, dependencies: 0, pending: 0, unique_held: 0, ...job };
  const names = [...Object.keys(row), "submitted_at", "keep_ms", "args"].join(", ");
  const values = [...Object.values(row), start, 1000, "[]"];
  db.prepare(`INSERT INTO job (${names}) VALUES (${values.map(() => "?").join(", ")})`).run(...values);
}

test("jobs of the second layout go on as they were: running, scheduled, waiting for others", async () => {
  const path = pathInFolder();
  const db = new DatabaseSync(path);
  for (const { sql } of steps.slice(0, 2)) db.exec(sql);
  insertOld(db, { id: "running", state: "running", worker: "w", attempt: 1, fence: 1 });
  insertOld(db, { id: "above", state: "blocked", dependencies: 1, pending: 1 });
  insertOld(db, { id: "later", state: "scheduled", due_at: start + 5 });
  insertOld(db, { id: "ready", state: "ready", ready_at: start });
  db.exec("INSERT INTO edge (job, position, dep) VALUES (2, 0, 1)");
  db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = 2`);
  db.close();
  const store = await sqliteStore(path);
  await store.join(newWorker("w"), start + leaseMs);
  assert.deepEqual(namesOf(await store.list({ states: ["running"] }, { limit: 10 })), ["running"]);
  assert.deepEqual(namesOf(await store.list({ states: ["scheduled"] }, { limit: 10 })), ["later"]);
  const outcome = { id: "running", fence: 1, kind: "done", result: "1" } as const;
  assert.deepEqual(namesOf((await store.settle("w", [outcome], wants(10), start)).claimed), ["above", "ready"]);
  assert.deepEqual(await store.inputs(["above"]), [["1"]]);
  assert.equal((await store.tend(start + 5, 10)).promoted, 1);
  await store.close();
});

test("jobs before gates go on when a store of the fourth layout is opened", () => {
  const path = pathInFolder();
  return goOnThroughGates(
    () => sqliteStore(path),
    () => {
      const db = new DatabaseSync(path);
      db.exec("ALTER TABLE tally DROP COLUMN told_own");
      db.exec("DROP INDEX job_line; CREATE INDEX job_line ON job (gate, rank) WHERE gate IS NOT NULL");
      // What a job had of an earlier pass.
      db.exec("UPDATE job SET age = 99 WHERE id = 'b'; PRAGMA user_version = 4");
      db.close();
    },
  );
});

test("a program that has a store open stops writing when another brings it to a newer layout", async () => {
  const path = newPath();
  const old = await sqliteStore(path);
  await old.add([newJob({ id: "a" })], start);
  const fresh = await open(path, newer);
  await assert.rejects(old.add([newJob({ id: "b" })], start), /Restart this program/);
  await fresh.add([newJob({ id: "c" })], start);
  assert.equal(await fresh.count({}), 2);
  await Promise.all([old.close(), fresh.close()]);
});

test("an upgrade that fails leaves the store as it was", async () => {
  const path = newPath();
  await filled(path);
  const broken: Step = { name: "broken", sql: "CREATE TABLE half (id INTEGER); CREATE TABLE job (id INTEGER)" };
  const said = new RegExp(`from layout ${newer.length} to ${newer.length + 1} \\("broken"\\).*Nothing was changed`);
  await assert.rejects(open(path, [...newer, broken]), said);
  const store = await sqliteStore(path);
  assert.equal(await store.count({}), 3);
  assert.equal((await store.info()).schema, steps.length);
  await store.close();
});

test("a store whose file is deleted or replaced takes nothing more, rather than lose it", async () => {
  const path = newPath();
  const store = await sqliteStore(path);
  await store.add([newJob({ id: "a" })], start);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix);
  await assert.rejects(store.add([newJob({ id: "b" })], start), /was deleted while/);
  const fresh = await sqliteStore(path);
  await assert.rejects(store.tend(start, 10), /was replaced by another file/);
  await fresh.add([newJob({ id: "c" })], start);
  assert.equal(await fresh.count({}), 1);
  await Promise.all([store.close(), fresh.close()]);
});

test("files beside the store that were deleted while it was closed are made again", async () => {
  const path = newPath();
  await filled(path);
  rmSync(`${path}-bell`);
  const store = await sqliteStore(path);
  assert.equal(await store.count({}), 3);
  await store.close();
});
