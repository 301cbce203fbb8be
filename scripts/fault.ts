// The fault suite in its long form: `npm run test:fault -- --store postgres --seeds 20 --jobs 50000 --seed 1`. Each seed is a run of
// its own, with a server of its own; seeds count up from the first. Prints one line of numbers for each, and what must not have been
// with everything needed to repeat it. Exit code 1 when anything was found.
import { parseArgs } from "node:util";
import { installServers } from "../test/servers/install.ts";
import type { RunOptions, RunReport } from "../test/fault/run.ts";
import { run } from "../test/fault/run.ts";
import { heading, row, totals } from "../test/fault/report.ts";
import type { StoreKind } from "../test/fault/server.ts";
import { storeKinds } from "../test/fault/server.ts";

const mostPrinted = 40;

const usage = `npm run test:fault -- [options]
  --store <kind>      ${storeKinds.join(", ")}; may be given more than once (default: postgres and redis)
  --seeds <n>         how many runs for each store (default 20)
  --seed <n>          the first seed (default: by chance)
  --jobs <n>          jobs in each run (default 50000)
  --seconds <n>       how long faults strike in each run (default 40)
  --workers <n>       worker processes, beside the one with a network of its own (default 4)
  --lease <ms>        their lease (default 2000)
  --local             no worker with a network of its own
  --trace             print each fault as it strikes`;

const { values } = parseArgs({
  options: {
    store: { type: "string", multiple: true },
    seeds: { type: "string", default: "20" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    jobs: { type: "string", default: "50000" },
    seconds: { type: "string", default: "40" },
    workers: { type: "string", default: "4" },
    lease: { type: "string", default: "2000" },
    local: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function number(name: "seeds" | "seed" | "jobs" | "seconds" | "workers" | "lease"): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new Error(`--${name} must be a whole number, found "${values[name]}".`);
}

function kind(name: string): StoreKind {
  const found = storeKinds.find((each) => each === name);
  if (found) return found;
  throw new Error(`--store must be one of ${storeKinds.join(", ")}, found "${name}".`);
}

if (values.help) {
  console.log(usage);
  process.exit(0);
}

const stopped = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopped.abort(new Error(`ended by ${name}`)));

/** What a program of ours must not do to its users is a finding, too: to throw where nobody can catch it. */
let uncaught = new AbortController();
process.on("uncaughtException", (error) => uncaught.abort(error));

function options(kind: StoreKind, seed: number): RunOptions {
  return {
    kind,
    seed,
    jobs: number("jobs"),
    chaosMs: number("seconds") * 1000,
    leaseMs: number("lease"),
    workers: number("workers"),
    remote: !values.local,
    trace: (line) => {
      if (values.trace) console.log(`    ${line}`);
    },
    signal: AbortSignal.any([stopped.signal, uncaught.signal]),
  };
}

/** How a run is repeated. */
function command(kind: StoreKind, seed: number): string {
  const same = `--jobs ${values.jobs} --seconds ${values.seconds} --workers ${values.workers} --lease ${values.lease}`;
  return `npm run test:fault -- --store ${kind} --seeds 1 --seed ${seed} ${same}${values.local ? " --local" : ""} --trace`;
}

function printFound({ violations, stories }: RunReport): void {
  for (const { what } of violations.slice(0, mostPrinted)) console.error(`  ${what}`);
  if (violations.length > mostPrinted) console.error(`  and ${violations.length - mostPrinted} more`);
  for (const line of stories) console.error(`    ${line}`);
}

/** Runs one seed, and prints what came of it. Gives undefined when it could not be brought to its end. */
async function once(kind: StoreKind, seed: number): Promise<RunReport | undefined> {
  uncaught = new AbortController();
  try {
    const report = await run(options(kind, seed));
    console.log(row(report));
    if (report.violations.length === 0) return report;
    console.error(`${report.violations.length} violations. Repeat with: ${command(kind, seed)}`);
    printFound(report);
    return report;
  } catch (error) {
    console.error(`${kind}, seed ${seed}: the run came to no end. Repeat with: ${command(kind, seed)}`);
    console.error(error);
    return undefined;
  }
}

const kinds = (values.store ?? ["postgres", "redis"]).map(kind);
installServers({ postgres: kinds.includes("postgres"), redis: kinds.includes("redis") });
const [first, seeds] = [number("seed"), number("seeds")];
console.log(`${seeds} seeds from ${first}, ${values.jobs} jobs each`);
const reports: (RunReport | undefined)[] = [];
for (const each of kinds) {
  if (stopped.signal.aborted) break;
  console.log(heading());
  for (let seed = first; seed < first + seeds && !stopped.signal.aborted; seed++) reports.push(await once(each, seed));
}
const whole = reports.filter((report) => report !== undefined);
const skipped = whole.find(({ remoteSkipped }) => remoteSkipped !== undefined)?.remoteSkipped;
if (skipped) console.log(`No worker had a network of its own: ${skipped}.`);
console.log(totals(whole));
const isWell = reports.length > 0 && reports.every((report) => report?.violations.length === 0);
// Whatever a broken run has left behind must not keep this program alive.
process.exit(isWell ? 0 : 1);
