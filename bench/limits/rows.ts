// The rows about what limits cost, on each store.
import type { Row, ServerNeed } from "../row.ts";

const keys = 10_000;

/** How the contenders are named; the first has none. */
const limits = {
  none: "no limit",
  concurrency: "one at a time for each key",
  rate: "a rate for each key",
  fair: "fair shares",
} as const;

/** What limits cost on a server, or on a SQLite file. */
export function limitsRow(quick: boolean, server?: ServerNeed["kind"]): Row {
  const count = quick ? 10_000 : 50_000;
  const store = server === undefined ? "embedded" : server === "postgres" ? "PostgreSQL" : "Redis";
  const shown = count.toLocaleString("en");
  return {
    id: server === undefined ? "limits" : server === "postgres" ? "pg-limits" : "redis-limits",
    group: server === undefined ? "durable" : "fleet",
    title: `${store}: one worker drains ${shown} no-op jobs of ${keys.toLocaleString("en")} keys under a limit`,
    work:
      "The jobs are queued first, those of a key far apart; timed from the start of a worker in the same program to the last job recorded as done. The limits are " +
      "wide enough to hold nothing up for long: it is what they cost that is seen.",
    rounds: 3,
    limitMs: 90_000,
    columns: [
      { key: "perSecond", label: "jobs/s", unit: "/s", better: "higher", digits: 0 },
      { key: "submittedPerSecond", label: "submits/s", unit: "/s", better: "higher", digits: 0 },
    ],
    entries: Object.entries(limits).map(([limit, name]) => ({
      name: `manyhands, ${name}`,
      from: "manyhands",
      settings: "defaults",
      script: "limits/manyhands.ts",
      told: { limit, count, keys },
      ...(server && { server: { kind: server } }),
    })),
    targets: [limits.concurrency, limits.rate].map((name) => ({
      text: `${name}: half of the rate without a limit`,
      column: "perSecond",
      ours: `manyhands, ${name}`,
      against: [`manyhands, ${limits.none}`],
      bound: 0.5,
    })),
  };
}
