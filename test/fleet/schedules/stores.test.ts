// What schedules ask of a store beyond a tick at its time, on each kind of store.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { call, connect } from "../../../src/index.ts";
import * as jobs from "../../fixtures/jobs.ts";
import { folder, until } from "../../fixtures/support.ts";
import { networks } from "../../servers/fresh.ts";

const stores = [
  { kind: "memory", skip: false, fresh: () => "memory:" },
  { kind: "SQLite", skip: false, fresh: (t: TestContext) => `sqlite:${join(folder(t), "hands.db")}` },
  ...networks().map(({ kind, given, fresh }) => ({ kind, skip: "skip" in given && given.skip, fresh: () => fresh() })),
];

for (const { kind, skip, fresh } of stores) {
  test(`schedules on ${kind}: names, the same tick twice, overlap`, { skip, timeout: 60_000 }, async (t) => {
    await using hands = await connect(fresh(t));
    hands.work({ tasks: [jobs] });
    const echo = call(jobs.echo, "ä\u{1f600}");
    for (const name of ["b", "a/b", "a", "ab", "a-b"]) await hands.schedule(name, { every: "365d" }, echo);
    const sorted = ["a", "a-b", "a/b", "ab", "b"];
    assert.deepEqual(
      (await hands.schedules()).map(({ name }) => name),
      sorted,
    );
    assert.deepEqual((await hands.schedule("a").info())?.args, ["ä\u{1f600}"]);
    assert.equal(await hands.schedule("a/").info(), undefined);
    assert.deepEqual((await hands.schedules([], { prune: true })).removed, sorted);
    assert.deepEqual(await hands.schedules(), []);

    const at = hands.now() - 1000;
    const id = `once@${new Date(at).toISOString()}`;
    for (let round = 0; round < 2; round++) {
      const once = await hands.schedule("once", { at }, echo);
      await until("the tick is over", async () => (await once.info())?.last === at);
      assert.equal(await hands.job(id), "ä\u{1f600}");
      assert.equal(await once.remove(), true);
    }
    assert.equal(await hands.count({ task: jobs.echo.name }), 1);

    const started = join(folder(t), "started");
    const every = { every: "1s" } as const;
    const replacing = await hands.schedule("replacing", every, call(jobs.untilAborted, started), { overlap: "cancelOther" });
    await until("two were cancelled", async () => (await hands.count({ states: ["cancelled"] })) >= 2);
    await replacing.pause();
    await hands.cancel({ states: ["running", "ready"] });
    const line = await hands.schedule("line", every, call(jobs.untilAborted, started), { overlap: "queue" });
    await until("one waits", async () => ((await line.info())?.queued.length ?? 0) > 0);
    assert.equal((await line.info())?.fired, 1);
    await hands.cancel({ states: ["running"] });
    await until("it goes on", async () => ((await line.info())?.fired ?? 0) > 1);
    await line.remove();
    await hands.cancel({ states: ["running", "ready"] });
  });
}
