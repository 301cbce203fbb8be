// The rows about queues on a server, for a fleet of machines: each contender on a private PostgreSQL or Redis, with a new and
// empty one for each round.
import { limitsRow } from "../limits/rows.ts";
import type { Column, Entry, Row, ServerNeed } from "../row.ts";
import type { Peer } from "./peers.ts";
import { bullmq, bullmqAsOurs, bullmqDefault, graphile, graphileDefault, hands, pgBoss, pgBossDefault } from "./peers.ts";

/** One of the two servers, as its rows are named. */
interface Server {
  readonly prefix: "pg" | "redis";
  readonly title: string;
  readonly kind: ServerNeed["kind"];
}

const postgres: Server = { prefix: "pg", title: "PostgreSQL", kind: "postgres" };
const redis: Server = { prefix: "redis", title: "Redis", kind: "redis" };

function entry(peer: Peer, server: Server, told: Readonly<Record<string, unknown>>, settings?: ServerNeed["settings"]): Entry {
  const { name, from, contender, options = {} } = peer;
  return {
    name: peer === hands ? `${name}, ${server.title}` : name,
    from,
    settings: peer.settings,
    script: "fleet/child.ts",
    told: { contender, options, ...told },
    server: { kind: server.kind, ...(settings && { settings }) },
  };
}

/** How the entry of manyhands on that server is named in targets. */
function ours({ title }: Server): string {
  return `${hands.name}, ${title}`;
}

function entries(peers: readonly Peer[], server: Server, work: string, count: number, more: object = {}): Entry[] {
  return peers.map((peer) => entry(peer, server, { work, count: Math.min(count, peer.most?.[work] ?? count), ...more }));
}

const rate: Column = { key: "perSecond", label: "jobs/s", unit: "/s", better: "higher", digits: 0 };

function base({ prefix, title }: Server, id: string, what: string): Pick<Row, "id" | "group" | "title" | "rounds" | "limitMs"> {
  return { id: `${prefix}-${id}`, group: "fleet", title: `${title}: ${what}`, rounds: 2, limitMs: 60_000 };
}

const drainWork =
  "The jobs are queued first; timed from letting connected workers loose to the last job recorded as done. Each job is checked to have started once, and every " +
  "result to be there where results are kept. Slow contenders get fewer jobs.";

function drainRow(server: Server, count: number, workers: number, peers: readonly Peer[], targets: Row["targets"]): Row {
  const who = workers === 1 ? "one worker drains" : "two worker processes drain";
  return {
    ...base(server, workers === 1 ? "drain" : `drain-${workers}`, `${who} ${count.toLocaleString("en")} no-op jobs`),
    work: drainWork,
    columns: [rate],
    entries: entries(peers, server, "drain", count, { workers }),
    targets,
  };
}

function inFlightRow(server: Server, count: number, peers: readonly Peer[], targets: Row["targets"]): Row {
  return {
    ...base(server, "in-flight", `${count.toLocaleString("en")} submits, 100 in flight`),
    work: "Each of 100 lanes submits its next job when the last is acknowledged.",
    columns: [rate],
    entries: entries(peers, server, "submit", count),
    targets,
  };
}

function bulkRow(server: Server, count: number, peers: readonly Peer[], targets: Row["targets"]): Row {
  return {
    ...base(server, "bulk", `${count.toLocaleString("en")} submits in bulk`),
    work: "1,000 at once, by the bulk call where there is one, then the next 1,000 when all are acknowledged.",
    columns: [rate],
    entries: entries(peers, server, "bulk", count),
    targets,
  };
}

function wakeRow(server: Server, count: number, peers: readonly Peer[], targets: Row["targets"]): Row {
  return {
    ...base(server, "wake", "submit in one process to start in another, 100 jobs a second"),
    work: `${count} submits at random gaps of 5 to 15 ms, not waiting for any; then ${count} more whose results are awaited, where the submitter can await them.`,
    columns: [
      { key: "p50Ms", label: "p50 ms", unit: "ms", better: "lower", digits: 2 },
      { key: "p95Ms", label: "p95 ms", unit: "ms", better: "lower", digits: 2 },
      { key: "p99Ms", label: "p99 ms", unit: "ms", better: "lower", digits: 2 },
      { key: "resultP50Ms", label: "result at the caller p50 ms", unit: "ms", better: "lower", digits: 2 },
    ],
    entries: entries(peers, server, "wake", count),
    targets,
  };
}

function recoverRow(server: Server, documented: string): Row {
  return {
    ...base(server, "recover", "recovery after SIGKILL of a worker"),
    work: `A worker is killed while it runs 50 jobs; an idle worker in another process starts them again. All with default settings. ${documented}`,
    columns: [
      { key: "lastS", label: "all started again s", unit: "s", better: "lower", digits: 1 },
      { key: "firstS", label: "the first s", unit: "s", better: "lower", digits: 1 },
    ],
    entries: entries([hands], server, "recover", 50),
    targets: [{ text: "at most 15 s", column: "lastS", ours: ours(server), bound: 15 }],
  };
}

function idleRow(server: Server, seconds: number, peers: readonly Peer[], settings?: ServerNeed["settings"]): Row {
  return {
    ...base(server, "idle", "a worker with nothing to do"),
    work: `Its CPU and what it asks the server over ${seconds} s, 3 s after its last job. What happens inside a function or a script of the server is not counted.`,
    rounds: 1,
    columns: [
      { key: "idlePercent", label: "idle CPU %", unit: "%", better: "lower", digits: 2 },
      { key: "queriesPerSecond", label: "queries/s", unit: "/s", better: "lower", digits: 2 },
    ],
    entries: peers.map((peer) => entry(peer, server, { work: "idle", count: 100, seconds }, settings)),
    targets: [
      { text: "CPU below 1.5 %", column: "idlePercent", ours: ours(server), bound: 1.5 },
      { text: "at most 2 queries a second", column: "queriesPerSecond", ours: ours(server), bound: 2 },
    ],
  };
}

function ballastRow(server: Server, count: number): Row {
  const shown = count.toLocaleString("en");
  return {
    ...base(server, "ballast", `drain with ${shown} queued and ${shown} finished jobs`),
    work: "The rate of one worker, in a new process each time, over 7,500 jobs of that store, against the same with 10,000 queued and 10,000 finished in another database of the same server; both in turn, five times.",
    rounds: 1,
    processLimitMs: 400_000,
    columns: [
      { key: "share", label: "% of the small store's rate", unit: "%", better: "higher", digits: 0 },
      { key: "largePerSecond", label: "jobs/s, large", unit: "/s", better: "higher", digits: 0 },
      { key: "smallPerSecond", label: "jobs/s, small", unit: "/s", better: "higher", digits: 0 },
    ],
    entries: entries([hands], server, "ballast", count),
    targets: [{ text: "85 % of the rate with 10,000", column: "share", ours: ours(server), bound: 85 }],
  };
}

/** A target on the rate, against the best of some peers. */
function times(server: Server, bound: number, peers: readonly Peer[], text: string, aim = false): Row["targets"][number] {
  const against = peers.map(({ name }) => name);
  return { text, column: "perSecond", ours: ours(server), bound, against, ...(aim && { aim }) };
}

function postgresRows(quick: boolean): Row[] {
  const on = postgres;
  const peers = [hands, graphile, graphileDefault, pgBoss];
  const mine = { ours: ours(on) };
  const best = [graphile];
  return [
    drainRow(
      on,
      quick ? 10_000 : 50_000,
      1,
      [...peers, pgBossDefault],
      [
        times(on, 1.3, best, "1.3 × graphile-worker at its best (which keeps no results)"),
        times(on, 2, best, "2 × graphile-worker at its best", true),
        times(on, 15, [graphileDefault], "15 × graphile-worker's defaults"),
        times(on, 5, [pgBoss, pgBossDefault], "5 × pg-boss"),
      ],
    ),
    drainRow(on, quick ? 10_000 : 50_000, 2, peers, []),
    inFlightRow(
      on,
      quick ? 5000 : 20_000,
      [hands, graphile, pgBoss],
      [times(on, 10, [graphile, pgBoss], "10 × pg-boss and graphile-worker")],
    ),
    bulkRow(on, quick ? 20_000 : 100_000, [hands, graphile, pgBoss], [times(on, 1.2, best, "1.2 × graphile-worker's addJobs")]),
    wakeRow(on, quick ? 100 : 300, peers, [
      { ...mine, text: "p50 at most 2.5 ms", column: "p50Ms", bound: 2.5 },
      {
        ...mine,
        text: "p99 at most graphile-worker's",
        column: "p99Ms",
        bound: 1,
        against: [graphile.name, graphileDefault.name],
      },
    ]),
    recoverRow(
      on,
      "By default graphile-worker gives a dead worker's jobs out again after 4 hours, pg-boss after 15 minutes: not waited for.",
    ),
    idleRow(on, quick ? 5 : 20, [hands, graphile, pgBoss], { shared_preload_libraries: "pg_stat_statements" }),
    ballastRow(on, quick ? 100_000 : 1_000_000),
    limitsRow(quick, on.kind),
  ];
}

function redisRows(quick: boolean): Row[] {
  const on = redis;
  const peers = [hands, bullmq, bullmqAsOurs, bullmqDefault];
  const mine = { ours: ours(on) };
  const best = [bullmq, bullmqAsOurs];
  return [
    drainRow(on, quick ? 10_000 : 50_000, 1, peers, [times(on, 6, [...best, bullmqDefault], "6 × BullMQ")]),
    drainRow(on, quick ? 10_000 : 50_000, 2, [hands, bullmq, bullmqAsOurs], [times(on, 6, best, "6 × BullMQ")]),
    inFlightRow(on, quick ? 5000 : 20_000, [hands, bullmq], [times(on, 2.5, [bullmq], "2.5 × BullMQ")]),
    bulkRow(on, quick ? 20_000 : 100_000, [hands, bullmq], [times(on, 5, [bullmq], "5 × BullMQ")]),
    wakeRow(
      on,
      quick ? 100 : 300,
      [hands, bullmq, bullmqDefault],
      [
        { ...mine, text: "p50 at most BullMQ's", column: "p50Ms", bound: 1, against: [bullmq.name, bullmqDefault.name] },
        { ...mine, text: "p50 at most 1 ms", column: "p50Ms", bound: 1 },
        { ...mine, text: "result at the caller p50 at most 3 ms", column: "resultP50Ms", bound: 3 },
      ],
    ),
    recoverRow(on, "By default BullMQ looks for a dead worker's jobs every 30 s, after a lock of 30 s: not waited for."),
    idleRow(on, quick ? 5 : 20, [hands, bullmq]),
    ballastRow(on, quick ? 100_000 : 1_000_000),
    limitsRow(quick, on.kind),
  ];
}

/** The rows about queues on a server, at full size or small. */
export function fleetRows(quick: boolean): Row[] {
  return [...postgresRows(quick), ...redisRows(quick)];
}
