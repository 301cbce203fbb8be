// The example of a fleet, as its image runs it but on a SQLite store: laid out as the Dockerfile says, read-only, workers and
// the program as processes of their own, found by MANYHANDS_URL alone.
import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { folder, Program } from "../fixtures/support.ts";
import { copiesOf, last, stagesOf } from "./dockerfile.ts";
import type { Stage } from "./dockerfile.ts";
import { read, root } from "./tree.ts";

const image = stagesOf(read("Dockerfile")).at(-1) as Stage;
const command = last(image, "CMD")?.args ?? [];

/** The folder /app of the image. Of the modules it has only those that a SQLite store needs. */
function makeApp(t: TestContext): string {
  const app = join(folder(t), "app");
  for (const { from, sources, target } of copiesOf(image)) {
    for (const source of from === undefined ? sources : []) {
      cpSync(join(root, source), join(app, target === "./" ? source : target), { recursive: true });
    }
  }
  cpSync(join(root, "dist"), join(app, "dist"), { recursive: true });
  mkdirSync(join(app, "node_modules"));
  symlinkSync(join(root, "node_modules", "commander"), join(app, "node_modules", "commander"));
  for (const entry of readdirSync(app, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) chmodSync(join(entry.parentPath, entry.name), 0o444);
  }
  return app;
}

function start(t: TestContext, app: string, [program = "", ...args]: readonly string[], url: string): Program {
  const file = program === "manyhands" ? join(app, "dist/cli/main.js") : join(app, args.shift() ?? "");
  const modules = args.map((arg) => (arg.endsWith(".ts") ? join(app, arg) : arg));
  return new Program(t, file, modules, { MANYHANDS_URL: url, NO_COLOR: "1", NODE_TEST_CONTEXT: undefined });
}

test("two workers do what the program submits, and end well at SIGTERM", { timeout: 60_000 }, async (t) => {
  const app = makeApp(t);
  const url = `sqlite:${join(folder(t), "fleet.db")}`;
  const workers = [start(t, app, command, url), start(t, app, command, url)];
  await Promise.all(workers.map((worker) => worker.says("tasks: outlook, quote, simulate")));

  const program = start(t, app, ["node", "examples/fleet/app.ts", "--symbols", "ADA,GRACE", "--years", "1000"], url);
  assert.equal(await program.exited, 0, program.errors);
  assert.match(program.errors, /^job \w+ and 4 below it are in the store; waiting for workers$/m);
  const [header, ada, grace, all] = program.output.trimEnd().split("\n");
  assert.match(header ?? "", /now mean in a year {4}low, 5 %$/);
  const numbers = [ada, grace, all].map((line) => (line ?? "").match(/\d+\.\d\d/g)?.map(Number) ?? []);
  for (const [now = 0, mean = 0, low = 0] of numbers) assert.ok(low > 0 && low < now && now < mean, `${low} < ${now} < ${mean}`);
  assert.deepEqual(numbers[2]?.[0]?.toFixed(2), ((numbers[0]?.[0] ?? 0) + (numbers[1]?.[0] ?? 0)).toFixed(2));

  for (const worker of workers) worker.kill("SIGTERM");
  for (const worker of workers) {
    assert.equal(await worker.exited, 0, worker.errors);
    assert.match(worker.output, /SIGTERM: stopping\nstopped\n$/);
  }
});

test("the same jobs give the same result again", { timeout: 60_000 }, async (t) => {
  const app = makeApp(t);
  const outputs = await Promise.all(
    ["first.db", "second.db"].map(async (name) => {
      const url = `sqlite:${join(folder(t), name)}`;
      start(t, app, command, url);
      const program = start(t, app, ["node", "examples/fleet/app.ts", "--symbols", "ALAN", "--years", "100"], url);
      assert.equal(await program.exited, 0, program.errors);
      return program.output;
    }),
  );
  assert.equal(outputs[0], outputs[1]);
});
