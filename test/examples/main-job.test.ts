// The main job over a small folder of its own: the right words, and on from where it was stopped.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../src/fleet/connect.ts";
import { programOf, runExample, temporaryFolder } from "./run.ts";

const vocabulary = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"];

/** Files in which the word number i occurs about 1/(i+1) as often as the first. Gives how often each occurs. */
function writeFiles(folder: string, files: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let file = 0; file < files; file++) {
    const words: string[] = [];
    vocabulary.forEach((word, i) => {
      const times = Math.floor((60 + file) / (i + 1));
      counts.set(word, (counts.get(word) ?? 0) + times);
      for (let n = 0; n < times; n++) words.push(n % 2 === 0 ? word : word.toUpperCase());
    });
    const sub = join(folder, `part-${file % 3}`);
    mkdirSync(sub, { recursive: true });
    writeFileSync(join(sub, `${file}.${file % 2 === 0 ? "md" : "ts"}`), `${words.join(" ")} 42 x.\n`);
  }
  writeFileSync(join(folder, "left-out.txt"), "nothing ".repeat(1000));
  return counts;
}

test("the main job counts words as a plain loop does and compares itself with one core", async (t) => {
  const home = temporaryFolder(t);
  const counts = writeFiles(join(home, "texts"), 40);
  const { code, stdout, stderr } = await runExample("main-job", ["texts", "--workers", "2"], home);
  assert.equal(code, 0, stderr);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  assert.match(stdout, new RegExp(`^${total.toLocaleString("en-US")} words, 12 of them different`, "m"));
  assert.match(stdout, /^40 files: [\d,]+ characters, 40 sentences,$/m);
  for (const [word, count] of counts) {
    assert.match(stdout, new RegExp(`\\b${word} +${count.toLocaleString("en-US")}\\b`), `${word} is not in the table`);
  }
  assert.match(stdout, /^ +2 threads +\d+\.\d\d s +[\d,]+\/s +jobs/m);
  assert.match(stdout, /times as fast as a plain loop on one core that keeps nothing/);
  const wide = stdout.split("\n").filter((line) => line.length > 80 && !line.startsWith("manyhands map"));
  assert.deepEqual(wide, [], "lines wider than 80 columns");
  assert.match(stderr, /40 done/);
  assert.deepEqual(readdirSync(home).sort(), [".manyhands", "texts"]);
});

/** Waits until some files are counted and recorded. */
async function untilRecorded(url: string, least: number): Promise<void> {
  await using hands = await connect(url);
  const deadline = Date.now() + 30_000;
  while ((await hands.count({ task: "countWords", states: ["done"] })) < least) {
    assert.ok(Date.now() < deadline, "nothing was recorded in 30 s");
    await delay(5);
  }
}

test("the main job, killed with its command, goes on where it was", async (t) => {
  const home = temporaryFolder(t);
  const counts = writeFiles(join(home, "texts"), 1500);
  const url = `sqlite:${join(home, "killed.db")}`;
  const args = [programOf("main-job"), "texts", "--workers", "1", "--store", url];
  // A group of its own, so that the signal reaches the command it has started too.
  const killed = spawn(process.execPath, args, { cwd: home, stdio: "ignore", detached: true });
  const ended = once(killed, "close");
  await untilRecorded(url, 20);
  process.kill(-(killed.pid as number), "SIGKILL");
  await ended;

  const { code, stdout, stderr } = await runExample("main-job", ["texts", "--workers", "2", "--store", url], home);
  assert.equal(code, 0, stderr);
  const earlier = Number(/^([\d,]+) files had been counted before/m.exec(stdout)?.[1]?.replace(",", ""));
  assert.ok(earlier >= 20, stdout);
  for (const [word, count] of counts) {
    assert.match(stdout, new RegExp(`\\b${word} +${count.toLocaleString("en-US")}\\b`), `${word} was counted wrongly`);
  }
});
