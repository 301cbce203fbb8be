// The rows about durable queues on one machine: a SQLite file each, on the same disk.
import { limitsRow } from "../limits/rows.ts";
import type { Column, Entry, Row } from "../row.ts";

interface Peer {
  readonly name: string;
  readonly from: string;
  readonly settings: string;
  readonly script: string;
  readonly runtime?: "bun";
  /** The part of the jobs it is given, where all would take minutes. Default 1. */
  readonly part?: number;
  readonly options?: Readonly<Record<string, unknown>>;
}

const hands: Peer = {
  name: "manyhands",
  from: "manyhands",
  settings: "node:sqlite, WAL, synchronous FULL (its default), results kept",
  script: "durable/manyhands.ts",
};
const handsNormal: Peer = {
  ...hands,
  name: "manyhands, durability normal",
  settings: "the same with synchronous NORMAL, as plainjob and bunqueue have it",
  options: { durability: "normal" },
};
const plainjob: Peer = {
  name: "plainjob",
  from: "plainjob",
  settings: "better-sqlite3, WAL, synchronous NORMAL (it sets that itself), keeps no results, logging off",
  script: "durable/plainjob.ts",
};
const bunqueue: Peer = {
  name: "bunqueue",
  from: "bunqueue",
  settings:
    "embedded with a file on Bun, WAL, synchronous NORMAL, writes buffered (its default), concurrency 50; a fifth of the jobs, for time's sake",
  part: 0.2,
  script: "durable/bunqueue.ts",
  runtime: "bun",
  options: { durable: false },
};
const bunqueueDurable: Peer = {
  ...bunqueue,
  name: "bunqueue, durable",
  settings: "the same with durable: true, so that an add is in the file when it resolves",
  options: { durable: true },
};

function bare(batch: number): Peer {
  return {
    name: `bare SQLite, batches of ${batch.toLocaleString("en")}`,
    from: "node",
    settings: "node:sqlite, WAL, synchronous FULL, one transaction a batch, no queue",
    script: "durable/sqlite.ts",
    options: { batch },
  };
}

function entries(peers: readonly Peer[], work: string, count: number): Entry[] {
  return peers.map(({ name, from, settings, script, runtime, part = 1, options }) => ({
    name,
    from,
    settings,
    script,
    ...(runtime && { runtime }),
    told: { ...options, work, count: count * part },
  }));
}

const rate: Column = { key: "perSecond", label: "jobs/s", unit: "/s", better: "higher", digits: 0 };

function submitRows(count: number): Row[] {
  const shown = count.toLocaleString("en");
  return [
    {
      id: "submit-in-flight",
      group: "durable",
      title: `embedded: ${shown} submits, 100 in flight`,
      work: "Each of 100 lanes submits its next job when the last is acknowledged. plainjob's add is synchronous, so one at a time is all it can do.",
      rounds: 3,
      limitMs: 45_000,
      columns: [rate],
      entries: [
        ...entries([hands, handsNormal, plainjob, bunqueue, bunqueueDurable], "submit", count),
        ...entries([bare(100)], "add", count),
      ],
      targets: [{ text: "50,000 /s with FULL durability", column: "perSecond", ours: hands.name, bound: 50_000 }],
    },
    {
      id: "submit-bulk",
      group: "durable",
      title: `embedded: ${(count * 2).toLocaleString("en")} submits in bulk`,
      work: "1,000 at once, then the next 1,000 when all are acknowledged.",
      rounds: 3,
      limitMs: 45_000,
      columns: [rate],
      entries: [
        ...entries([hands, handsNormal, plainjob, bunqueue, bunqueueDurable], "bulk", count * 2),
        ...entries([bare(1000)], "add", count * 2),
      ],
      targets: [{ text: "100,000 /s with FULL durability", column: "perSecond", ours: hands.name, bound: 100_000 }],
    },
  ];
}

function drainRow(count: number): Row {
  return {
    id: "drain",
    group: "durable",
    title: `embedded: one worker drains ${count.toLocaleString("en")} no-op jobs`,
    work: "The jobs are queued first; timed from the start of a worker to the last job recorded as done. Every result of manyhands is read back and checked.",
    rounds: 3,
    limitMs: 45_000,
    columns: [rate],
    entries: [
      ...entries([hands, handsNormal, plainjob, bunqueue], "drain", count),
      ...entries([bare(100), bare(1000)], "drain", count),
    ],
    targets: [
      { text: "5 × plainjob", column: "perSecond", ours: hands.name, bound: 5, against: [plainjob.name] },
      { text: "20 × bunqueue", column: "perSecond", ours: hands.name, bound: 20, against: [bunqueue.name] },
    ],
  };
}

function ballastRow(count: number): Row {
  const shown = count.toLocaleString("en");
  return {
    id: "ballast",
    group: "durable",
    title: `embedded: drain with ${shown} queued and ${shown} finished jobs`,
    work: "The rate of one worker over 8,000 jobs of that store, against the same with 10,000 queued and 10,000 finished; both in turn, five times, in one process.",
    rounds: 1,
    limitMs: 0,
    processLimitMs: 300_000,
    columns: [
      { key: "share", label: "% of the small store's rate", unit: "%", better: "higher", digits: 0 },
      { key: "largePerSecond", label: "jobs/s, large", unit: "/s", better: "higher", digits: 0 },
      { key: "smallPerSecond", label: "jobs/s, small", unit: "/s", better: "higher", digits: 0 },
    ],
    entries: entries([hands], "ballast", count),
    targets: [{ text: "85 % of the rate with 10,000", column: "share", ours: hands.name, bound: 85 }],
  };
}

function wakeRow(count: number): Row {
  return {
    id: "wake",
    group: "durable",
    title: "embedded: submit in one process to start in another",
    work: `${count} jobs at random gaps of 5 to 55 ms, so that the worker is idle each time (10 for plainjob, which polls each second); then the worker's CPU over 4 s with nothing to do. bunqueue's embedded mode is one process.`,
    rounds: 3,
    limitMs: 60_000,
    columns: [
      { key: "p50Ms", label: "p50 ms", unit: "ms", better: "lower", digits: 2 },
      { key: "p99Ms", label: "p99 ms", unit: "ms", better: "lower", digits: 2 },
      { key: "resultP50Ms", label: "result at the caller p50 ms", unit: "ms", better: "lower", digits: 2 },
      { key: "idlePercent", label: "idle CPU %", unit: "%", better: "lower", digits: 2 },
    ],
    entries: [...entries([hands], "wake", count), ...entries([plainjob], "wake", 10)],
    targets: [
      { text: "p50 at most 2 ms", column: "p50Ms", ours: hands.name, bound: 2 },
      { text: "idle worker CPU below 1.5 %", column: "idlePercent", ours: hands.name, bound: 1.5 },
    ],
  };
}

function recoverRow(): Row {
  return {
    id: "recover",
    group: "durable",
    title: "embedded: recovery after SIGKILL of a worker",
    work:
      "A worker is killed while it runs 50 jobs; an idle worker in another process starts them again. All with default settings. plainjob gives a dead worker's " +
      "jobs out again after 30 minutes by default (not waited for), bunqueue's embedded mode is one process.",
    rounds: 3,
    limitMs: 60_000,
    columns: [
      { key: "lastS", label: "all started again s", unit: "s", better: "lower", digits: 1 },
      { key: "firstS", label: "the first s", unit: "s", better: "lower", digits: 1 },
    ],
    entries: entries([hands], "recover", 50),
    targets: [{ text: "at most 15 s", column: "lastS", ours: hands.name, bound: 15 }],
  };
}

/** The rows about durable queues, at full size or small. */
export function durableRows(quick: boolean): Row[] {
  const rows = submitRows(quick ? 10_000 : 50_000);
  return [
    ...rows,
    drainRow(quick ? 10_000 : 50_000),
    ballastRow(quick ? 50_000 : 1_000_000),
    wakeRow(quick ? 50 : 200),
    recoverRow(),
    limitsRow(quick),
  ];
}
