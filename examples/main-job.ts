// The main job: counts the words of every TypeScript and Markdown file under a folder with `manyhands map`, just as one would type
// it, then adds all counts in one fan-in call. Afterwards the same work runs on one core, to tell what the others were good for.
//
// Every count is durable as soon as it is made: stop this program at any moment, start it again, and it goes on where it was.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connect } from "manyhands";
import { ThreadPool } from "manyhands/pool";
import { countWords, mostCommon } from "./main-job/tasks.ts";
import type { FileCounts, Summary } from "./main-job/tasks.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workers: { type: "string", default: String(availableParallelism()) },
    store: { type: "string", default: "sqlite:.manyhands/main-job.db" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("node examples/main-job.ts [folder, default node_modules] [--workers one a core] [--store sqlite:path]");
  process.exit();
}
const [folder = "node_modules"] = positionals;
const glob = `${folder}/**/*.{ts,md}`;
const task = `${relative("", join(import.meta.dirname, "main-job", "tasks.ts"))}#${countWords.name}`;
// What `npx manyhands` would start.
const command = join(dirname(createRequire(import.meta.url).resolve("manyhands/package.json")), "dist", "cli", "main.js");

interface Mapped {
  readonly counts: readonly FileCounts[];
  readonly ms: number;
}

/** Runs `manyhands map`: its progress goes straight to the terminal, its results come as one line of JSON for each file. */
async function map(workers: string, store: string, options: readonly string[]): Promise<Mapped> {
  const start = performance.now();
  const args = ["map", task, glob, "--workers", workers, "--store", store, ...options];
  const child = spawn(process.execPath, [command, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  // Ctrl-C reaches the command as well. It ends in good order, and this program after it.
  const wait = (): void => undefined;
  process.on("SIGINT", wait);
  const ended = once(child, "close");
  const counts: FileCounts[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const { result } = JSON.parse(line) as { readonly result?: FileCounts };
    if (result) counts.push(result);
  }
  const [code] = (await ended) as [number | null];
  process.off("SIGINT", wait);
  if (code !== 0) process.exit(code ?? 1);
  return { counts, ms: performance.now() - start };
}

/** How many files an interrupted run has left done in the store. */
async function countedEarlier(store: string): Promise<number> {
  await using hands = await connect(store);
  return hands.count({ task: countWords.name, states: ["done"] });
}

/** The same without manyhands: a task is still the plain function. */
async function loop(): Promise<Mapped> {
  const start = performance.now();
  const counts: FileCounts[] = [];
  for (const path of globSync(glob)) counts.push(await countWords(path));
  return { counts, ms: performance.now() - start };
}

const number = (value: number): string => value.toLocaleString("en-US");

function printWords({ characters, sentences, words, different, top }: Summary, files: number): void {
  console.log(`\n${number(files)} files: ${number(characters)} characters, ${number(sentences)} sentences,`);
  console.log(`${number(words)} words, ${number(different)} of them different. The most common:\n`);
  const half = Math.ceil(top.length / 2);
  const entry = (index: number): string => {
    const [word, count] = top[index] ?? ["", 0];
    return word && `${String(index + 1).padStart(4)}  ${word.padEnd(18)}${number(count).padStart(10)}`;
  };
  for (let i = 0; i < half; i++) console.log(`${entry(i)}  ${entry(i + half)}`.trimEnd());
}

function printTime(what: string, { ms }: Mapped, jobs: number, note: string): void {
  const rate = `${number(Math.round((jobs / ms) * 1000))}/s`;
  console.log(`  ${what.padEnd(12)}${(ms / 1000).toFixed(2).padStart(8)} s${rate.padStart(10)}   ${note}`);
}

console.log(`manyhands map ${task} '${glob}'`);
const earlier = await countedEarlier(values.store);
const mapped = await map(values.workers, values.store, []);
if (mapped.counts.length === 0) throw new Error(`There is no .ts or .md file under ${folder}.`);

await using pool = new ThreadPool({ size: 1 });
const summary = await pool.submit(mostCommon, mapped.counts, 20);
printWords(summary, mapped.counts.length);

console.log("\nFrom start to end, each:\n");
const files = mapped.counts.length;
printTime(`${values.workers} threads`, mapped, files - earlier, "jobs, each safe on disk when it is done");
if (earlier > 0) {
  console.log(`\n${number(earlier)} files had been counted before the last run was stopped.`);
  console.log("Run it again to compare with one core.");
  process.exit();
}
const temporary = mkdtempSync(join(tmpdir(), "manyhands-main-job-"));
try {
  const single = await map("1", `sqlite:${join(temporary, "one.db")}`, ["--quiet"]);
  printTime("1 thread", single, files, "jobs, the same command with --workers 1");
  const plain = await loop();
  printTime("plain loop", plain, files, "files, one core, no pool, nothing kept");
  console.log(`\n${(single.ms / mapped.ms).toFixed(2)} times as fast as the same durable work on one thread,`);
  console.log(`${(plain.ms / mapped.ms).toFixed(2)} times as fast as a plain loop on one core that keeps nothing.`);
  const same = JSON.stringify(mostCommon(plain.counts, 20)) === JSON.stringify(summary);
  if (!same) throw new Error("The plain loop counted other words.");
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
