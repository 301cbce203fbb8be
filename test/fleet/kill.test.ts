// SIGKILL at random moments: submitters and workers are processes that share one SQLite file. Whatever was acknowledged must end
// once, joins must add up, and the file must stay whole. The seed is printed; timing is the machine's, so a seed gives the same
// kinds of kills, not the same instant.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../src/index.ts";
import { seededRandom } from "../../src/testing/index.ts";
import * as jobs from "../fixtures/jobs.ts";
import { folder, Program, until } from "../fixtures/support.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const kills = 50;

test(`${kills} kills of submitters and workers lose nothing that was acknowledged`, { timeout: 110_000 }, async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const path = folder(t);
  const file = join(path, "hands.db");
  const acknowledged = join(path, "acknowledged");
  const start = {
    worker: () => new Program(t, join(fixtures, "worker.ts"), [`sqlite:${file}`, JSON.stringify({ lease: 1000 })]),
    submitter: () => new Program(t, join(fixtures, "submitter.ts"), [`sqlite:${file}`, acknowledged, "s"]),
  };
  const slots = (["worker", "worker", "submitter", "worker"] as const).map((kind) => ({ kind, program: start[kind]() }));
  for (let i = 0; i < kills; i++) {
    const slot = slots[Math.floor(random() * slots.length)] as (typeof slots)[number];
    await slot.program.says("ready");
    await delay(random() * 150);
    slot.program.kill("SIGKILL");
    await slot.program.exited;
    slot.program = start[slot.kind]();
  }
  for (const { program } of slots) {
    program.kill("SIGKILL");
    await program.exited;
  }

  const ids = readFileSync(acknowledged, "utf8").trim().split("\n");
  await using hands = await connect(`sqlite:${file}`);
  hands.work({ tasks: [jobs] });
  await until(
    "every job has ended",
    async () => (await hands.count({ states: ["ready", "running", "blocked", "scheduled"] })) === 0,
    60_000,
  );
  t.diagnostic(`${ids.length} acknowledged, ${await hands.count()} stored`);
  const known = new Map((await hands.jobs({ limit: 100_000 })).map((job) => [job.id, job]));
  for (const id of ids) {
    const job = known.get(id);
    assert.ok(job, `acknowledged job ${id} is lost`);
    // A job whose worker was killed four times is set aside as poison; it has ended all the same.
    assert.ok(job.state === "done" || job.crashes > 3 || job.cause !== null, `job ${id} is ${job.state}`);
    if (job.state === "done" && job.task === "jobs.sum") {
      const parts = job.args?.[0] as unknown[];
      assert.equal(parts.length, 3);
      assert.equal((job.result as number) % 3, 0, `a join added up to ${String(job.result)}`);
    }
  }
  await hands.close();
  const database = new DatabaseSync(file);
  assert.deepEqual({ ...database.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
  database.close();
});
