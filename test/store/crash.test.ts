// SIGKILL at random moments, at the level of the store: submitters and workers in processes of their own share one file, and
// are killed in the middle of whatever they do. Everything acknowledged must be there afterwards, end exactly once, with
// joins that saw the right results, and the file must be sound. The seed chooses whom and when; the rest is the machine's.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sqliteStore } from "../../src/store/index.ts";
import { isFinal, liveStates } from "../../src/task/state.ts";
import { seededRandom } from "../../src/testing/clock.ts";
import { newPath } from "./files.ts";

const kills = 50;
const program = join(import.meta.dirname, "child.ts");

/** What the children said. */
interface Said {
  readonly added: Set<string>;
  /** Job and fence of every outcome recorded as done. */
  readonly done: string[];
  readonly errors: string[];
}

class Child {
  readonly #process: ChildProcess;
  readonly #lines: Promise<unknown>;
  readonly spoke: Promise<unknown>;

  constructor(path: string, role: string, name: string, said: Said) {
    this.#process = spawn(process.execPath, [program, path, role, name], { stdio: ["ignore", "pipe", "pipe"] });
    const { stdout, stderr } = this.#process;
    assert.ok(stdout && stderr);
    const lines = createInterface(stdout);
    lines.on("line", (line) => {
      const [verb, ...words] = line.split(" ");
      if (verb === "added") for (const word of words) said.added.add(word);
      else said.done.push(...words);
    });
    stderr.on("data", (text) => said.errors.push(`${name}: ${String(text)}`));
    this.spoke = Promise.race([once(lines, "line"), once(this.#process, "exit")]);
    this.#lines = once(lines, "close");
  }

  /** Resolves when it has ended and everything it said was heard. */
  async kill(): Promise<void> {
    const exited = once(this.#process, "exit");
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill("SIGKILL");
      await exited;
    }
    await this.#lines;
  }
}

async function drain(path: string, said: Said): Promise<void> {
  const child = new Child(path, "work", "last", said);
  const store = await sqliteStore(path);
  const deadline = performance.now() + 60_000;
  while ((await store.count({ states: liveStates })) > 0) {
    assert.ok(performance.now() < deadline, `jobs are left over: ${JSON.stringify(await store.queues())}`);
    await delay(20);
  }
  await store.close();
  await child.kill();
}

test(
  `${kills} kills of submitters and workers lose no acknowledged job and record none twice`,
  { timeout: 120_000 },
  async (t) => {
    const seed = Number(process.env["MANYHANDS_SEED"] ?? Date.now() % 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const path = newPath();
    const said: Said = { added: new Set(), done: [], errors: [] };
    let started = 0;
    const begin = (role: string): Child => new Child(path, role, `${role}${(started += 1)}`, said);
    const roles = ["submit", "work", "submit", "work"];
    const children = roles.map(begin);
    t.after(() => Promise.all(children.map((child) => child.kill())));
    for (let i = 0; i < kills; i++) {
      const at = Math.floor(random() * roles.length);
      // A child that has said something is in the middle of its work.
      await children[at]?.spoke;
      await delay(random() * 30);
      await children[at]?.kill();
      children[at] = begin(roles[at] ?? "");
    }
    await Promise.all(children.map((child) => child.kill()));
    await drain(path, said);

    assert.deepEqual(said.errors, []);
    const db = new DatabaseSync(path);
    assert.deepEqual(Object.values(db.prepare("PRAGMA integrity_check").get() ?? {}), ["ok"]);
    db.close();
    const store = await sqliteStore(path);
    const jobs = new Map((await store.list({}, { limit: 1e9 })).map((job) => [job.id, job]));
    await store.close();
    t.diagnostic(`${said.added.size} acknowledged, ${jobs.size} stored, ${said.done.length} outcomes said to be recorded`);
    assert.ok(said.added.size > kills);
    for (const id of said.added) assert.equal(jobs.get(id)?.state, "done", `acknowledged job ${id} was done`);
    for (const job of jobs.values()) {
      assert.ok(isFinal(job.state));
      const result = JSON.parse(job.result ?? "null") as string[];
      assert.equal(result[0], job.id);
      assert.equal(new Set(result).size, job.dependencies + 1, "each dependency gave its own result");
    }
    const recorded = new Map<string, string>();
    for (const each of said.done) {
      const [id = "", fence = ""] = each.split(":");
      assert.ok(!recorded.has(id), `job ${id} was recorded twice`);
      recorded.set(id, fence);
      assert.equal(`${jobs.get(id)?.fence}`, fence, `job ${id} ended with the fence it was acknowledged with`);
    }
  },
);
