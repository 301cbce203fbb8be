// The package as users get it: packed, unpacked into a program's node_modules, imported by name, run from TypeScript.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { folder } from "./fixtures/support.ts";

const root = resolve(import.meta.dirname, "..");

const tasks = `
import { task } from "manyhands";
export const double = task("double", (n: number) => n * 2);
export const sum = task("sum", (numbers: number[]) => numbers.reduce((a, b) => a + b, 0));
`;

const program = `
import { call, connect } from "manyhands";
import { InlinePool, ProcessPool, ThreadPool } from "manyhands/pool";
import { double, sum } from "./tasks.ts";

const graph = call(sum, [1, 2, 3].map((n) => call(double, n)));
for (const pool of [new InlinePool(), new ThreadPool({ size: 1 }), new ProcessPool({ size: 1 })]) {
  console.log(await pool.submit(graph), await pool.map(double, [4, 5]));
  await pool.close();
}
await using hands = await connect("sqlite:hands.db");
hands.work({ tasks: [import("./tasks.ts")] });
console.log(await hands.submit(graph));
`;

test("the packed package runs on every executor and on the command line", { timeout: 60_000 }, (t) => {
  const path = folder(t);
  const installed = join(path, "node_modules", "manyhands");
  mkdirSync(installed, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", path], {
    cwd: root,
    encoding: "utf8",
  });
  const [report] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
  execFileSync("tar", ["-xzf", join(path, report.filename), "-C", installed, "--strip-components=1"]);
  assert.ok(statSync(join(path, report.filename)).size < 750_000, "the package has grown beyond 750 kB");
  const outside = report.files
    .map((file) => file.path)
    .filter((file) => !/^(dist\/|package\.json|README|LICENSE|CHANGELOG)/.test(file));
  assert.deepEqual(outside, []);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name === "commander" || name === "croner")
      symlinkSync(join(root, "node_modules", name), join(path, "node_modules", name));
  }
  writeFileSync(join(path, "package.json"), '{"type":"module"}');
  writeFileSync(join(path, "tasks.ts"), tasks);
  writeFileSync(join(path, "main.ts"), program);
  const run = spawnSync(process.execPath, ["main.ts"], { cwd: path, encoding: "utf8" });
  assert.equal(run.stdout, "12 [ 8, 10 ]\n".repeat(3) + "12\n", run.stderr);
  assert.equal(run.stderr, "");
  const cli = join(installed, "dist/cli/main.js");
  const mapped = spawnSync(process.execPath, [cli, "map", "tasks.ts#double", "--jsonl", "-"], {
    cwd: path,
    encoding: "utf8",
    input: "1\n2\n",
  });
  assert.equal(mapped.status, 0, mapped.stderr);
  assert.deepEqual(
    mapped.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { result: number }).result),
    [2, 4],
  );
});
