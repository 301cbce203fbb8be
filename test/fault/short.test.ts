// The fault suite in its short form: two seeds for each store with a server. The long form is `npm run test:fault`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findPostgres } from "../servers/postgres.ts";
import { findRedis } from "../servers/redis.ts";
import { heading, row } from "./report.ts";
import { run } from "./run.ts";

const seedsPerStore = 2;
const given = process.env["MANYHANDS_SEED"];
const first = given === undefined ? Math.floor(Math.random() * 1e6) : Number(given);

const stores = [
  { kind: "postgres", isHere: findPostgres() !== undefined },
  { kind: "redis", isHere: findRedis() !== undefined },
] as const;

for (const { kind, isHere } of stores) {
  // Under CI it fails instead, since there it would be skipped for ever and nobody would notice.
  const skip = isHere || process.env["CI"] ? false : `there is no ${kind} server on this machine`;
  for (let seed = first; seed < first + seedsPerStore; seed++) {
    test(`${kind}: nothing is lost or done twice, whatever breaks (seed ${seed})`, { skip, timeout: 110_000 }, async (t) => {
      const report = await run({
        kind,
        seed,
        jobs: 3000,
        chaosMs: 10_000,
        leaseMs: 1500,
        workers: 4,
        remote: true,
        trace: (line) => t.diagnostic(line),
        signal: t.signal,
      });
      t.diagnostic(heading());
      t.diagnostic(row(report));
      if (report.remoteSkipped) t.diagnostic(`no worker had a network of its own: ${report.remoteSkipped}`);
      const found = report.violations.map(({ what }) => what);
      assert.deepEqual(found, [], `MANYHANDS_SEED=${seed} repeats it\n${report.stories.join("\n")}`);
    });
  }
}
