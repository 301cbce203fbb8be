// A fleet behind PgBouncer in transaction mode: everything works, only the wake-up is lost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, connect } from "../../src/index.ts";
import * as jobs from "../fixtures/jobs.ts";
import { networks } from "../servers/fresh.ts";
import { hasPgBouncer, startPgBouncer } from "../servers/pgbouncer.ts";

const [postgres] = networks();
const given = postgres?.given ?? { skip: "no PostgreSQL server" };
const skip = "skip" in given ? given.skip : !hasPgBouncer() && "no pgbouncer on this machine";

test("a fleet works behind PgBouncer in transaction mode", { skip, timeout: 60_000 }, async (t) => {
  const bouncer = await startPgBouncer(postgres?.fresh() ?? "");
  const [submitter, worker] = await Promise.all([connect(bouncer.url), connect(bouncer.url)]);
  t.after(async () => {
    await Promise.all([submitter.close(), worker.close()]);
    await bouncer.close();
  });
  await worker.work({ tasks: [jobs] }).ready;
  const numbers = Array.from({ length: 300 }, (_, i) => i);
  assert.deepEqual(await submitter.map(jobs.echo, numbers), numbers);
  assert.equal(await submitter.submit(jobs.sum, [call(jobs.add, 1, 2), call(jobs.add, 3, 4)]), 10);
  await assert.rejects(Promise.resolve(submitter.submit(jobs.boom, "bang")), /bang/);
  const later = submitter.submit(jobs.echo.with({ delay: "1h" }), 1);
  await later.submitted;
  assert.equal((await later.cancel()).waiting, 1);
  const held = await submitter.submit(jobs.echo.with({ unique: { key: "one" }, delay: "1h" }), 1).submitted;
  assert.equal(await submitter.submit(jobs.echo.with({ unique: { key: "one" }, delay: "1h" }), 2).submitted, held);
});
