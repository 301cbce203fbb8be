// The rows about flows and schedules, on each durable store.
import type { Column, Entry, Row, ServerNeed } from "../row.ts";

interface Stored {
  readonly name: string;
  readonly prefix: string;
  readonly server?: ServerNeed;
}

const stores: readonly Stored[] = [
  { name: "SQLite", prefix: "sqlite" },
  { name: "PostgreSQL", prefix: "pg", server: { kind: "postgres" } },
  { name: "Redis", prefix: "redis", server: { kind: "redis" } },
];

function entry({ name, server }: Stored, work: string, count: number): Entry {
  return {
    name: `manyhands, ${name}`,
    from: "manyhands",
    settings: "everything by default",
    script: "flows/child.ts",
    told: { work, count },
    ...(server && { server }),
  };
}

function base(store: Stored, id: string, title: string, work: string): Omit<Row, "columns" | "entries" | "targets"> {
  return {
    id: `${store.prefix}-${id}`,
    group: "flows",
    title: `${store.name}: ${title}`,
    work,
    rounds: 2,
    limitMs: 120_000,
    processLimitMs: 600_000,
  };
}

function chordRow(store: Stored, count: number): Row {
  const ours = `manyhands, ${store.name}`;
  return {
    ...base(
      store,
      "chord",
      `a chord of ${count.toLocaleString("en")} members`,
      "Submitted as one graph and drained by one worker, against as many plain jobs before it in the same process; the join is timed from the start of the last member.",
    ),
    columns: [
      { key: "joinMs", label: "join after the last member ms", unit: "ms", better: "lower", digits: 0 },
      { key: "share", label: "time a member, % of a plain job's", unit: "%", better: "lower", digits: 0 },
      { key: "membersPerSecond", label: "members/s", unit: "/s", better: "higher", digits: 0 },
    ],
    entries: [entry(store, "chord", count)],
    targets: [
      { text: "the join within 1 s of the last member", column: "joinMs", ours, bound: 1000 },
      { text: "a member at most 30 % slower than a plain job", column: "share", ours, bound: 130 },
    ],
  };
}

function futureRow(store: Stored, count: number): Row {
  return {
    ...base(
      store,
      "future",
      `the drain rate beside ${count.toLocaleString("en")} scheduled jobs`,
      "8,000 no-op jobs, three times without and three times with the others, which are due tomorrow; medians.",
    ),
    rounds: 1,
    columns: [
      { key: "share", label: "% of the rate without", unit: "%", better: "higher", digits: 0 },
      { key: "perSecond", label: "jobs/s", unit: "/s", better: "higher", digits: 0 },
    ],
    entries: [entry(store, "future", count)],
    targets: [{ text: "95 % of the rate without", column: "share", ours: `manyhands, ${store.name}`, bound: 95 }],
  };
}

const chainColumn: Column = { key: "chainsPerSecond", label: "chains/s", unit: "/s", better: "higher", digits: 0 };

function chainsRow(store: Stored, count: number): Row {
  const bullmq: Entry = {
    name: "BullMQ flows",
    from: "bullmq",
    settings: "FlowProducer.addBulk of 500, concurrency 50",
    script: "flows/bullmq.ts",
    told: { count },
    server: { kind: "redis" },
  };
  const isRedis = store.server?.kind === "redis";
  return {
    ...base(
      store,
      "chains",
      `${count.toLocaleString("en")} chains of three steps`,
      "From the first submit to the last end; 500 chains at once, then a worker.",
    ),
    columns: [chainColumn],
    entries: [entry(store, "chains", count), ...(isRedis ? [bullmq] : [])],
    targets: isRedis
      ? [
          {
            text: "5 × BullMQ's flows",
            column: "chainsPerSecond",
            ours: `manyhands, ${store.name}`,
            bound: 5,
            against: [bullmq.name],
          },
        ]
      : [],
  };
}

function ticksRow(store: Stored, count: number): Row {
  return {
    ...base(
      store,
      "ticks",
      `${count} scheduled times, 20 a second`,
      "One-off schedules at random times; from the time they are due to the start of the task, by the store's clock.",
    ),
    rounds: 1,
    columns: [
      { key: "p99Ms", label: "late p99 ms", unit: "ms", better: "lower", digits: 1 },
      { key: "p50Ms", label: "p50 ms", unit: "ms", better: "lower", digits: 1 },
    ],
    entries: [entry(store, "ticks", count)],
    targets: [{ text: "p99 at most 250 ms late", column: "p99Ms", ours: `manyhands, ${store.name}`, bound: 250 }],
  };
}

/** The rows about flows and schedules, at full size or small. */
export function flowRows(quick: boolean): Row[] {
  return stores.flatMap((store) => [
    chordRow(store, quick ? 10_000 : 100_000),
    chainsRow(store, quick ? 1000 : 10_000),
    futureRow(store, quick ? 50_000 : 1_000_000),
    ticksRow(store, quick ? 50 : 300),
  ]);
}
