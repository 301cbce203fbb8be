// Cases of dependencies that need not end as done.
import assert from "node:assert/strict";
import type { Ended, Input } from "../../store/job.ts";
import type { Bench, Case } from "./bench.ts";
import { claim, done, failed, leaseMs, namesOf, start, wants } from "./bench.ts";

async function inputsOf(bench: Bench, id: string): Promise<unknown[]> {
  const [inputs = []] = await bench.store.inputs([id]);
  return inputs.map((input: Input) => (typeof input === "string" ? input : [input.id, input.state, input.error ?? input.cause]));
}

/** The cases of `tolerates`. */
export const tolerating: readonly Case[] = [
  [
    "a tolerated dependency that fails releases, and its end is what the job gets",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" }, { id: "top", dependsOn: ["a", "b", "a"], tolerates: ["a"] });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      const { ended } = await bench.settle(failed(a, '"no"'));
      assert.deepEqual(ended, []);
      assert.deepEqual([(await bench.job("top")).state, (await bench.job("top")).pending], ["blocked", 1]);
      await bench.settle(done(b));
      assert.deepEqual((await bench.job("top")).state, "ready");
      const top = await bench.claimOne();
      assert.equal(top.dependencies, 3);
      assert.deepEqual(await inputsOf(bench, "top"), [["a", "failed", '"no"'], '"b done"', ["a", "failed", '"no"']]);
    },
  ],
  [
    "what is not tolerated fails the job as ever, also beside what is",
    async (bench) => {
      await bench.add(
        { id: "a" },
        { id: "b" },
        { id: "top", dependsOn: ["a", "b"], tolerates: ["a"] },
        { id: "x", dependsOn: ["a"] },
      );
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      const first = await bench.settle(failed(a));
      assert.deepEqual(namesOf(first.ended), ["x"]);
      const second = await bench.settle(failed(b));
      assert.deepEqual(
        second.ended.map(({ id, state, cause }: Ended) => [id, state, cause]),
        [["top", "failed", "b"]],
      );
    },
  ],
  [
    "every end of a tolerated dependency releases: failed in consequence, cancelled, expired, poison",
    async (bench) => {
      await bench.add(
        { id: "low" },
        { id: "consequence", dependsOn: ["low"] },
        { id: "cancelled", dueAt: start + 1000 },
        { id: "expired", expiresAt: start + 5, dueAt: start + 1000 },
        { id: "poison", crashLimit: 0, priority: 1 },
        {
          id: "top",
          dependsOn: ["consequence", "cancelled", "expired", "poison"],
          tolerates: ["consequence", "cancelled", "expired", "poison"],
        },
      );
      await bench.join("w");
      assert.deepEqual(namesOf(await claim(bench.store, "w", wants(1), start)), ["poison"]);
      const pending = async (): Promise<number> => (await bench.job("top")).pending;
      assert.deepEqual((await bench.store.cancel({ ids: ["cancelled"] }, null, start)).failed, []);
      assert.equal(await pending(), 3);
      bench.now = start + leaseMs;
      await bench.store.tend(bench.now, 10);
      assert.equal(await pending(), 1);
      await bench.settle(failed(await bench.claimOne()));
      assert.deepEqual(await bench.states("consequence", "expired", "poison", "top"), ["failed", "expired", "failed", "ready"]);
      assert.deepEqual(await inputsOf(bench, "top"), [
        ["consequence", "failed", "low"],
        ["cancelled", "cancelled", null],
        ["expired", "expired", null],
        ["poison", "failed", null],
      ]);
    },
  ],
  [
    "a tolerated dependency that has ended badly before does not fail the job",
    async (bench) => {
      await bench.add({ id: "a" });
      await bench.settle(failed(await bench.claimOne()));
      await bench.add({ id: "top", dependsOn: ["a"], tolerates: ["a"] }, { id: "other", dependsOn: ["a"] });
      assert.deepEqual(await bench.states("top", "other"), ["ready", "failed"]);
      await bench.add({ id: "b" }, { id: "mid", dependsOn: ["b", "a"] }, { id: "up", dependsOn: ["mid"], tolerates: ["mid"] });
      assert.deepEqual(await bench.states("mid", "up"), ["failed", "ready"]);
    },
  ],
  [
    "a stand-in is tolerated as the one it stands in for",
    async (bench) => {
      const unique = { key: "k", until: "ended" } as const;
      await bench.add({ id: "a", unique });
      await bench.add({ id: "b", unique }, { id: "top", dependsOn: ["b"], tolerates: ["b"] });
      await bench.settle(failed(await bench.claimOne()));
      assert.deepEqual(await bench.states("top"), ["ready"]);
      assert.deepEqual(await inputsOf(bench, "top"), [["a", "failed", '"a failed"']]);
    },
  ],
  [
    "a retry of the job makes tolerated dependencies live, too; a retry of those alone makes it wait for them again while it waits",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" }, { id: "top", dependsOn: ["a", "b"], tolerates: ["a"] });
      const [a, b] = await bench.claim();
      assert.ok(a && b);
      await bench.settle(failed(a));
      assert.deepEqual(await bench.store.retry({ ids: ["a"] }, start), ["a"]);
      assert.equal((await bench.job("top")).pending, 2);
      await bench.settle(failed(await bench.claimOne()), failed(b));
      assert.deepEqual(await bench.states("a", "b", "top"), ["failed", "failed", "failed"]);
      assert.deepEqual(await bench.store.retry({ ids: ["top"] }, start), ["a", "b", "top"]);
      assert.equal((await bench.job("top")).pending, 2);
      const again = await bench.claim();
      await bench.settle(...again.map((job) => (job.id === "a" ? failed(job) : done(job))));
      assert.deepEqual(await bench.states("top"), ["ready"]);
      assert.deepEqual(await bench.store.retry({ ids: ["a"] }, start), ["a"]);
      assert.deepEqual(await bench.states("top"), ["ready"], "it waits no more");
      const rest = await bench.claim();
      assert.deepEqual(namesOf(rest).toSorted(), ["a", "top"]);
      await bench.settle(...rest.filter(({ id }) => id === "a").map((job) => done(job)));
      assert.deepEqual(await bench.states("top"), ["running"]);
    },
  ],
  [
    "what is tolerated is dumped and loaded",
    async (bench) => {
      await bench.add({ id: "a" }, { id: "b" }, { id: "top", dependsOn: ["b", "a"], tolerates: ["a"] });
      await bench.store.cancel({ ids: ["a"] }, null, start);
      const { jobs } = await bench.store.dump(null, 10);
      assert.deepEqual(jobs[2]?.tolerates, ["a"]);
      await bench.store.cancel({}, null, start);
      await bench.store.remove({});
      await bench.store.load(jobs, start);
      assert.deepEqual((await bench.store.dump(null, 10)).jobs, jobs);
      assert.deepEqual(await bench.runAll(), ["b", "top"]);
    },
  ],
  [
    "one tolerated end releases 10,000 that wait for it, and 10,000 that fail release one",
    async (bench) => {
      const wide = Array.from({ length: 10_000 }, (_, n) => `m${n}`);
      await bench.add({ id: "a" }, ...wide.map((id) => ({ id, dependsOn: ["a"], tolerates: ["a"] })), {
        id: "top",
        dependsOn: wide,
        tolerates: wide,
      });
      await bench.settle(failed(await bench.claimOne()));
      const claimed = await bench.claim("w", 20_000);
      assert.equal(claimed.length, wide.length);
      await bench.settle(...claimed.map((job) => failed(job)));
      assert.deepEqual(await bench.states("top"), ["ready"]);
    },
  ],
];
