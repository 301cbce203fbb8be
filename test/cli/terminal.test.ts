// What a person sees: a progress bar on a terminal, made by `script` of util-linux, and the words in it.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { linesOf as streamLines } from "../../src/cli/map/inputs.ts";
import { progressLine } from "../../src/cli/map/progress.ts";
import { until } from "../fixtures/support.ts";
import { main, Place, results } from "./command.ts";

const terminalMaker = "script";
const skip =
  spawnSync(terminalMaker, ["--version"]).status === 0 ? false : "there is no `script` command here to make a terminal";

/** Runs a command on a terminal of its own, and gives what appears there. */
class Terminal {
  screen = "";
  readonly ended: Promise<number>;

  constructor(t: TestContext, cwd: string, args: readonly string[]) {
    const command = [process.execPath, main, ...args].map((word) => `'${word}'`).join(" ");
    const child = spawn(terminalMaker, ["-qec", command, "/dev/null"], {
      cwd,
      env: { ...process.env, TERM: "xterm", COLUMNS: "100", MANYHANDS_URL: undefined },
      stdio: ["ignore", "pipe", "inherit"],
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.screen += text));
    this.ended = new Promise((resolve) => child.once("close", (code) => resolve(code ?? -1)));
    t.after(() => child.kill("SIGKILL"));
  }

  /** What has been written, line by line, with what was overwritten in between. */
  get lines(): string[] {
    return this.screen.split(/[\r\n]+/).map((line) => stripVTControlCharacters(line).trim());
  }
}

test("on a terminal there is a bar, and results of few inputs are shown", { skip }, async (t) => {
  const place = new Place(t);
  const terminal = new Terminal(t, place.path, ["map", "tasks.ts#mark", "a", "hold", "bad"]);
  await until("the bar says that two are done", () => /░ +2\/3 +66 %.*\d threads?/.test(terminal.screen), 30_000);
  place.write("release", "");
  assert.equal(await terminal.ended, 0);
  assert.ok(terminal.screen.includes("\u001b[K"), "each bar takes the place of the one before");
  assert.ok(terminal.lines.includes("a  'a'"), terminal.screen);
  assert.match(terminal.lines.findLast((line) => line !== "") ?? "", /^3 done in .*\/s\)$/);
  // Colours, since this is a terminal.
  assert.ok(terminal.screen.includes("\u001b[32m'a'\u001b[39m"), terminal.screen);
});

test("many results are kept for a pipe instead of being shown", { skip }, async (t) => {
  const place = new Place(t);
  const inputs = Array.from({ length: 30 }, (_, i) => `n${i}`);
  const terminal = new Terminal(t, place.path, ["map", "tasks.ts#mark", ...inputs]);
  assert.equal(await terminal.ended, 0);
  assert.match(terminal.screen, /Not all results are shown on a terminal\. They are kept/);
  assert.ok(!terminal.lines.some((line) => line.startsWith("n0 ")));
  const piped = await place.run("map", "tasks.ts#mark", ...inputs);
  assert.deepEqual(results(piped.out), inputs);
  assert.equal(place.lines("ran").length, 30);
  // Without results there is nothing to keep.
  const silent = new Terminal(t, place.path, ["map", "tasks.ts#quiet", ...inputs]);
  assert.equal(await silent.ended, 0);
  assert.doesNotMatch(silent.screen, /kept/);
  assert.deepEqual((await place.run("queues", "--json")).out, "");
});

test("the progress line fits its terminal", () => {
  const tally = { done: 1230, failed: 4, reused: 0, total: 5000 };
  assert.equal(progressLine(tally, 406.4, "2 threads"), "1,234/5,000  24 %  406/s  9.3 s left  4 failed  2 threads");
  assert.equal(progressLine({ ...tally, total: undefined }, 3.21, "2 threads"), "1,234 done  3.2/s  4 failed  2 threads");
  assert.equal(progressLine({ done: 0, failed: 0, reused: 0, total: 0 }, 0, "1 thread"), "0/0  100 %  1 thread");
  for (let columns = 10; columns < 140; columns += 1) {
    const line = progressLine(tally, 406.4, "2 threads", columns);
    assert.ok(line.length < columns, `${line.length} characters in ${columns} columns`);
  }
  assert.match(progressLine(tally, 406.4, "2 threads", 100), /^█{6}░{18} {2}1,234\/5,000/);
});

test("a stream is cut into lines wherever its chunks end", async () => {
  async function* chunks(): AsyncGenerator<string> {
    yield* ["\uFEFFa\nb", "c\r", "\n\n", "d", "e"];
  }
  assert.deepEqual(await Array.fromAsync(streamLines(chunks())), ["a", "bc", "", "de"]);
  async function* endless(): AsyncGenerator<string> {
    for (;;) yield "x".repeat(2 ** 20);
  }
  await assert.rejects(Array.fromAsync(streamLines(endless())), /a line of more than 268435456 characters/);
});
