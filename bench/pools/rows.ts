// The rows about pools on one machine: two workers each, the same functions, every result checked.
import type { Column, Entry, Row } from "../row.ts";
import type { Work } from "./child.ts";
import type { Contender } from "./opener.ts";

interface Peer extends Contender {
  readonly name: string;
  readonly from: string;
  readonly settings: string;
}

const threads: Peer = { name: "manyhands ThreadPool", from: "manyhands", settings: "size 2", contender: "manyhands" };
const processes: Peer = {
  name: "manyhands ProcessPool",
  from: "manyhands",
  settings: "size 2",
  contender: "manyhands",
  kind: "process",
};
const piscina: Peer = { name: "Piscina, default", from: "piscina", settings: "2 threads, else default", contender: "piscina" };
const piscinaTuned: Peer = {
  name: "Piscina, tuned",
  from: "piscina",
  settings: "2 threads, concurrentTasksPerWorker 100, recordTiming and trackUnmanagedFds off",
  contender: "piscina",
  options: { concurrentTasksPerWorker: 100, recordTiming: false, trackUnmanagedFds: false },
};
const tinypool: Peer = {
  name: "tinypool, default",
  from: "tinypool",
  settings: "2 threads, else default",
  contender: "tinypool",
};
const tinypoolTuned: Peer = {
  ...tinypool,
  name: "tinypool, tuned",
  settings: "2 threads, concurrentTasksPerWorker 100",
  options: { concurrentTasksPerWorker: 100 },
};
const tinypoolProcess: Peer = {
  ...tinypool,
  name: "tinypool child_process",
  settings: 'runtime "child_process", 2 processes, else default',
  options: { runtime: "child_process" },
};
const tinypoolProcessTuned: Peer = {
  ...tinypool,
  name: "tinypool child_process, tuned",
  settings: 'runtime "child_process", 2 processes, concurrentTasksPerWorker 100',
  options: { runtime: "child_process", concurrentTasksPerWorker: 100 },
};
const poolifier: Peer = {
  name: "poolifier",
  from: "poolifier",
  settings: "FixedThreadPool(2), else default",
  contender: "poolifier",
};
const poolifierProcess: Peer = {
  ...poolifier,
  name: "poolifier cluster",
  settings: "FixedClusterPool(2), else default",
  kind: "process",
};
const workerpool: Peer = {
  name: "workerpool",
  from: "workerpool",
  settings: 'workerType "thread", 2 workers',
  contender: "workerpool",
};
const workerpoolProcess: Peer = {
  ...workerpool,
  name: "workerpool process",
  settings: 'workerType "process", 2 workers',
  kind: "process",
};
const bare: Peer = {
  name: "bare worker_threads, a message per task",
  from: "node",
  settings: "2 threads, all posted at once",
  contender: "bare",
};
const bareFed: Peer = {
  ...bare,
  name: "bare worker_threads, fed by hand",
  settings: "2 threads, the next task when one comes back",
  options: { inFlight: 1 },
};
const bareFedTwo: Peer = {
  ...bare,
  name: "bare worker_threads, fed two ahead",
  settings: "2 threads, two tasks at each",
  options: { inFlight: 2 },
};
const bareChunked: Peer = {
  name: "bare worker_threads, chunked",
  from: "node",
  settings: "2 threads, arrays of 1,000, two at each",
  contender: "bare-chunked",
};
const bareFork: Peer = {
  ...bare,
  name: "bare fork, a message per task",
  settings: "2 processes, all sent at once",
  kind: "process",
};
const inline: Peer = { name: "one thread, a plain loop", from: "node", settings: "no pool", contender: "inline" };

function entryOf({ name, from, settings, ...contender }: Peer): Entry {
  return { name, from, settings, script: "pools/child.ts", told: contender };
}

function entries(peers: readonly Peer[], work: Work): Entry[] {
  return peers.map(entryOf).map((entry) => ({ ...entry, told: { ...entry.told, ...work } }));
}

/** The same contender doing its work another way, under another name. */
function named(peer: Peer, name: string, settings: string): Peer {
  return { ...peer, name, settings };
}

const rate: Column = { key: "perSecond", label: "tasks/s", unit: "/s", better: "higher", digits: 0 };
const memory: Column = { key: "peakMiB", label: "peak memory MiB", unit: "MiB", better: "lower", digits: 0 };
const grown: Column = { key: "grownMiB", label: "of it grown in the run MiB", unit: "MiB", better: "lower", digits: 0 };

function submitRows(count: number): Row[] {
  const object: Work = { work: "submitAll", count, form: "object" };
  const integer: Work = { ...object, form: "integer" };
  const shown = count.toLocaleString("en");
  const targets = (suffix: string): Row["targets"] => [
    { text: `10 × Piscina default${suffix}`, column: "perSecond", ours: threads.name, bound: 10, against: [piscina.name] },
    { text: `5 × Piscina best-tuned${suffix}`, column: "perSecond", ours: threads.name, bound: 5, against: [piscinaTuned.name] },
  ];
  return [
    {
      id: "thread-submit",
      group: "pools",
      title: `thread pool: ${shown} no-op tasks by submit`,
      work: "A task takes { n: i } and returns it. All are submitted one by one at once, then all results awaited.",
      rounds: 3,
      limitMs: 90_000,
      columns: [rate],
      entries: entries([threads, piscina, piscinaTuned, tinypool, tinypoolTuned, poolifier, workerpool, bare], object),
      targets: targets(""),
    },
    {
      id: "thread-submit-integer",
      group: "pools",
      title: `thread pool: ${shown} no-op tasks by submit, integers`,
      work: "The same with i instead of { n: i }.",
      rounds: 3,
      limitMs: 30_000,
      columns: [rate],
      entries: entries([threads, piscina, piscinaTuned, bare], integer),
      targets: [],
    },
    {
      id: "process-submit",
      group: "pools",
      title: `process pool: ${shown} no-op tasks by submit`,
      work: "The same in child processes, { n: i }.",
      rounds: 3,
      limitMs: 45_000,
      columns: [rate],
      entries: entries([processes, tinypoolProcess, tinypoolProcessTuned, poolifierProcess, workerpoolProcess, bareFork], object),
      targets: [
        {
          text: "5 × tinypool child_process",
          column: "perSecond",
          ours: processes.name,
          bound: 5,
          against: [tinypoolProcess.name],
        },
      ],
    },
  ];
}

function mapRows(count: number): Row[] {
  const small = count / 10;
  const all = (form: "object" | "integer", size = count): Work => ({ work: "mapOver", way: "all", count: size, form });
  const shown = count.toLocaleString("en");
  const note = `Contenders without a map run ${small.toLocaleString("en")} inputs as Promise.all over run(); the rate is per input.`;
  const streamed = named(threads, "manyhands ThreadPool, streamed", "size 2, for await over pool.map(), default window");
  const streamedSmall = named(
    threads,
    "manyhands ThreadPool, streamed, a tenth",
    `size 2, the same over ${small.toLocaleString("en")} inputs`,
  );
  const stream = (size: number): Work => ({ work: "mapOver", way: "stream", count: size, form: "object" });
  return [
    {
      id: "thread-map",
      group: "pools",
      title: `thread pool: map over ${shown} no-op inputs`,
      work: `Inputs { n: i } from a generator, results as an array in order, or streamed. ${note}`,
      rounds: 3,
      limitMs: 45_000,
      columns: [rate, memory, grown],
      entries: [
        ...entries([threads, bareChunked], all("object")),
        ...entries([streamed], stream(count)),
        ...entries([streamedSmall], stream(small)),
        ...entries([piscina, piscinaTuned], all("object", small)),
      ],
      targets: [
        { text: "50 × Piscina default", column: "perSecond", ours: threads.name, bound: 50, against: [piscina.name] },
        {
          text: "the bare chunked threads",
          aim: true,
          column: "perSecond",
          ours: threads.name,
          bound: 1,
          against: [bareChunked.name],
        },
        {
          text: "memory bounded by the window: ten times the inputs in at most 1.5 × the memory",
          column: "peakMiB",
          ours: streamed.name,
          bound: 1 / 1.5,
          against: [streamedSmall.name],
        },
      ],
    },
    {
      id: "thread-map-integer",
      group: "pools",
      title: `thread pool: map over ${shown} no-op inputs, integers`,
      work: `The same with i instead of { n: i }. ${note}`,
      rounds: 3,
      limitMs: 30_000,
      columns: [rate, memory, grown],
      entries: [...entries([threads, bareChunked], all("integer")), ...entries([piscina], all("integer", small))],
      targets: [],
    },
  ];
}

function latencyRows(count: number): Row[] {
  const pools = [piscina, piscinaTuned, tinypool, tinypoolTuned, poolifier, workerpool];
  return [
    {
      id: "round-trip",
      group: "pools",
      title: "thread pool: one task at a time, round trip",
      work: `${count.toLocaleString("en")} tasks { n: i }, the next when the result of the last is there. All contenders are in one process and take turns.`,
      rounds: 71,
      limitMs: 300_000,
      together: "pools/together.ts",
      sizes: { work: "roundTrip", count },
      columns: [
        { key: "p50Us", label: "p50 µs", unit: "µs", better: "lower", digits: 1 },
        { key: "p99Us", label: "p99 µs", unit: "µs", better: "lower", digits: 1 },
      ],
      entries: [threads, ...pools, bare].map(entryOf),
      targets: [
        {
          text: "p50 not slower than the best of Piscina, tinypool, poolifier, workerpool",
          column: "p50Us",
          ours: threads.name,
          bound: 1,
          against: pools.map(({ name }) => name),
        },
      ],
    },
    {
      id: "first-result",
      group: "pools",
      title: "from making the pool to its first result",
      work: "Both workers are wanted; one task is run.",
      rounds: 5,
      limitMs: 30_000,
      columns: [{ key: "firstMs", label: "ms", unit: "ms", better: "lower", digits: 1 }],
      entries: entries([threads, processes, piscina, tinypool, poolifier, workerpool, tinypoolProcess, workerpoolProcess], {
        work: "firstResult",
        count: 1,
        form: "object",
      }),
      targets: [],
    },
  ];
}

function computeRow(count: number): Row {
  const pools = [piscina, piscinaTuned, tinypool, poolifier, workerpool];
  return {
    id: "fib",
    group: "pools",
    title: `fib(27) × ${count} on 2 threads`,
    work: "Submitted at once. All contenders are in one process and take turns, pass by pass.",
    rounds: 31,
    limitMs: 300_000,
    together: "pools/together.ts",
    sizes: { work: "compute", count },
    columns: [rate],
    entries: [threads, bareFed, bareFedTwo, ...pools, inline].map(entryOf),
    targets: [
      {
        text: "98 % of bare worker_threads fed by hand",
        column: "perSecond",
        ours: threads.name,
        bound: 0.98,
        against: [bareFed.name],
      },
      { text: "ahead of every pool", column: "perSecond", ours: threads.name, bound: 1, against: pools.map(({ name }) => name) },
    ],
  };
}

function payloadRow(count: number): Row {
  const work = (way: "shared" | "copied" | "moved", size = count): Work => ({
    work: "payload",
    way,
    count: size,
    form: "integer",
  });
  const ways = (peer: Peer): Entry[] =>
    (["shared", "moved", "copied"] as const).flatMap((way) =>
      entries([named(peer, `${peer.name}, ${way}`, peer.settings)], work(way)),
    );
  const shared = `${threads.name}, shared`;
  const copied = [threads, piscina, tinypool, poolifier, workerpool].map((peer) => `${peer.name}, copied`);
  return {
    id: "payload",
    group: "pools",
    title: "one 8 MiB Float64Array per task",
    work: `${count} tasks submitted at once, again and again. "Handed over": the task reads two elements, so the figure is the price of the payload alone. "Summed": it reads all, and memory is the limit.`,
    rounds: 3,
    limitMs: 45_000,
    columns: [
      { key: "handMiBs", label: "handed over MiB/s", unit: "MiB/s", better: "higher", digits: 0 },
      { key: "sumMiBs", label: "summed MiB/s", unit: "MiB/s", better: "higher", digits: 0 },
    ],
    entries: [threads, piscina, bare]
      .flatMap(ways)
      .concat([tinypool, poolifier, workerpool].flatMap((peer) => ways(peer).filter(({ name }) => !name.endsWith("moved")))),
    targets: [
      {
        text: "shared, no copy: 20 × structured clone, its own and every pool's",
        column: "handMiBs",
        ours: shared,
        bound: 20,
        against: copied,
      },
    ],
  };
}

/** The rows about pools, at full size or small. */
export function poolRows(quick: boolean): Row[] {
  const [threadSubmit, threadSubmitInteger, processSubmit] = submitRows(quick ? 20_000 : 100_000);
  const rows = [
    threadSubmit,
    threadSubmitInteger,
    ...mapRows(quick ? 200_000 : 1_000_000),
    ...latencyRows(quick ? 200 : 1000),
    processSubmit,
  ];
  return [...rows.filter((row) => row !== undefined), computeRow(quick ? 100 : 200), payloadRow(quick ? 16 : 32)];
}
