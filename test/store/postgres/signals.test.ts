// Signals that come at the very moment their job is suspended, by another connection: none is missed.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { postgresStore } from "../../../src/store/postgres/store.ts";
import { leaseMs, newJob, newWorker, start, wants } from "../../../src/testing/store-suite/bench.ts";
import { newUrl, skip } from "./schemas.ts";

const rounds = 40;

describe("signals to a PostgreSQL store", { skip }, () => {
  test("a signal sent while its job is being suspended makes it ready", async () => {
    const url = newUrl();
    const [one, other] = [await postgresStore(url), await postgresStore(url)];
    try {
      await one.join(newWorker("w"), start + leaseMs);
      const ids = Array.from({ length: 20 }, (_, n) => `j${n}`);
      await one.add(
        ids.map((id) => newJob({ id })),
        start,
      );
      for (let round = 0; round < rounds; round += 1) {
        const { claimed } = await one.settle("w", [], wants(100), start);
        assert.equal(claimed.length, ids.length, `all were woken before round ${round}`);
        const suspended = claimed.map(({ id, fence }) => {
          return { id, fence, kind: "waiting", dueAt: null, seen: round, waits: "1" } as const;
        });
        const signals = ids.toReversed().map((job) => {
          return { job, name: `signal/${String(round).padStart(4, "0")}`, text: "1", claim: null, tell: false };
        });
        // Some in one call, others each in its own: they come before, between and after.
        await Promise.all([
          one.settle("w", suspended, [], start),
          other.write(signals.slice(0, 10), start),
          ...signals.slice(10).map((signal) => other.write([signal], start)),
        ]);
      }
      assert.equal(await one.count({ states: ["ready"] }), ids.length);
    } finally {
      await Promise.all([one.close(), other.close()]);
    }
  });
});
