// Mistakes of all kinds end with exit code 2 and one clear line on standard error; help is on standard output.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { test } from "node:test";
import { errorOf, json, linesOf, main, Place } from "./command.ts";

const commands = ["map", "worker", "submit", "jobs", "show", "retry", "cancel", "signal", "queues", "doctor"];

test("every command has help with --json and --store", async (t) => {
  const place = new Place(t);
  const whole = await place.run("--help");
  const each = await Promise.all(commands.map((name) => place.run(name, "--help")));
  assert.equal(whole.code, 0);
  for (const name of commands) assert.match(whole.out, new RegExp(`^  ${name} `, "m"));
  assert.match(whole.out, /Exit codes: 0 all done, 1 some task failed, 2 wrong usage/);
  each.forEach(({ code, out, err }, i) => {
    assert.equal(code, 0, commands[i]);
    assert.equal(err, "");
    assert.match(out, new RegExp(`^Usage: manyhands ${commands[i]} `));
    assert.match(out, /--json/);
    assert.match(out, /--store <url>/);
  });
});

test("the version is the package's", async (t) => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  assert.deepEqual(await new Place(t).run("--version"), { code: 0, out: `${version}\n`, err: "" });
});

const mistakes: readonly (readonly [what: string, args: readonly string[], message: RegExp])[] = [
  ["an unknown command", ["mpa"], /Unknown command 'mpa' \(Did you mean map\?\)/],
  ["an unknown option", ["map", "tasks.ts#upper", "a", "--wrokers", "2"], /'--wrokers' \(Did you mean --workers\?\)/],
  ["a missing argument", ["map"], /Missing required argument 'module#task'\. See "manyhands map --help"/],
  ["no number", ["map", "tasks.ts#upper", "a", "--workers", "two"], /--workers.*'two' is invalid.*whole number of at least 1/],
  ["no duration", ["map", "tasks.ts#upper", "a", "--timeout", "soon"], /--timeout must be a duration, found "soon"/],
  ["no such place", ["map", "tasks.ts#upper", "a", "--on", "moon"], /'moon' is invalid.*thread, process/],
  ["a missing module", ["map", "task.ts#upper", "a"], /no module "task\.ts".*Did you mean "tasks\.ts"\?/],
  ["a missing extension", ["map", "tasks#upper", "a"], /no module "tasks".*Did you mean "tasks\.ts"\?/],
  ["a missing folder", ["map", "no/tasks.ts#upper", "a"], /no module "no\/tasks\.ts".*no folder/],
  ["a folder", ["map", ".#upper", "a"], /"\." is not a file/],
  ["no task named", ["map", "tasks.ts", "a"], /Which task of "tasks\.ts"\?.*upper/],
  ["an unknown task", ["map", "tasks.ts#uper", "a"], /"tasks\.ts" has no task "uper"\. Did you mean "upper"\?/],
  ["no known task near", ["submit", "tasks.ts#zzzzzzzz"], /has no task "zzzzzzzz"\. Known: "add", "count"/],
  ["a syntax error", ["map", "broken.ts#x", "a"], /"broken\.ts" could not be imported: SyntaxError at broken\.ts:2/],
  ["a module that throws", ["worker", "throws.ts"], /"throws\.ts" could not be imported: Error at throws\.ts:2: not today/],
  ["a missing package", ["map", "lonely.ts#x", "a"], /Cannot find package 'manyhands'.*npm install manyhands/],
  ["a module without tasks", ["worker", "empty.ts"], /"empty\.ts" exports no tasks/],
  ["no inputs", ["map", "tasks.ts#upper"], /There are no inputs/],
  ["a pattern without match", ["map", "tasks.ts#upper", "*.nothing"], /No file matches the pattern "\*\.nothing".*--literal/],
  ["a missing file of inputs", ["map", "tasks.ts#upper", "--jsonl", "no.jsonl"], /no file "no\.jsonl"/],
  ["a line that is not JSON", ["map", "tasks.ts#upper", "--jsonl", "bad.jsonl"], /Line 2 of "bad\.jsonl" is not JSON: "oops"/],
  ["a line that is no array", ["map", "tasks.ts#add", "--jsonl", "bad.jsonl", "--spread"], /Line 1 of .* is not an array/],
  ["a store of another kind", ["jobs", "--store", "mysql://me:secret@host/db"], /"mysql:\/\/me:\*\*\*@host\/db" names no store/],
  ["a server that is not there", ["jobs", "--store", "redis://me:secret@127.0.0.1:1"], /redis:\/\/127\.0\.0\.1:1\b(?!.*secret)/],
  ["a database that is not there", ["jobs", "--store", "postgres://me:secret@127.0.0.1:1/db"], /127\.0\.0\.1:1\b(?!.*secret)/],
  ["a store without a scheme", ["jobs", "--store", "hands.db"], /"hands\.db" names no store/],
  ["a store that is not there", ["queues", "--store", "sqlite:none.db"], /There is no store at .*none\.db/],
  ["a store that cannot be opened", ["submit", "tasks.ts#echo", "--store", "sqlite:tasks.ts/hands.db"], /tasks\.ts/],
  ["a file that is no store", ["jobs", "--store", "sqlite:tasks.ts"], /tasks\.ts/],
  ["a store of memory only", ["jobs", "--store", "memory:"], /"memory:" store ends with the program/],
  ["two tasks of one name", ["map", "twins.ts#twin", "a"], /"twins\.ts" has two tasks with the name "twin"/],
  ["a module that exits", ["worker", "exits.ts"], /A module or a task called process\.exit\(0\)/],
  ["a module that throws later", ["map", "later.ts#later", "a"], /thrown where nobody catches it.*Error at later\.ts:2: late$/],
  ["a module as inputs", ["map", "tasks.ts#upper", "--jsonl", "."], /"\." is a folder/],
  ["no room in a file name", ["map", "tasks.ts#upper", "a", "--store", "sqlite:."], /is not a file, so it cannot be a store/],
  ["no workers", ["map", "tasks.ts#upper", "a", "--workers", "0"], /--workers.*'0' is invalid.*at least 1/],
  ["a path that cannot be looked at", ["jobs", "--store", `sqlite:${"x".repeat(5000)}`], /ENAMETOOLONG/],
  ["a name of two lines", ["map", "no\nsuch.ts#x", "a"], /no module "no such\.ts"/],
  [
    "an unknown command of schedules",
    ["schedules", "puase", "x"],
    /"manyhands schedules" has no command "puase"\. Did you mean "pause"\?/,
  ],
  ["an unknown state", ["jobs", "--state", "dnoe"], /no state "dnoe"\. Did you mean "done"\?/],
];

test("mistakes end with exit code 2 and one line that says what to do", async (t) => {
  const place = new Place(t);
  place.write("broken.ts", "const fine = 1;\nconst = 2;\n");
  place.write("throws.ts", 'export const x = 1;\nthrow new Error("not today");\n');
  place.write("lonely.ts", 'import { task } from "manyhands";\nexport const x = task("x", () => 1);\n');
  place.write("empty.ts", "export const nothing = 1;\n");
  const library = JSON.stringify(new URL("../../src/index.ts", import.meta.url).href);
  place.write("twins.ts", `import { task } from ${library};\nexport const a = task("twin", () => 1), b = task("twin", () => 2);`);
  place.write("exits.ts", "process.exit(0);\n");
  const throwing = 'setTimeout(() => {\n throw new Error("late");\n}, 50);';
  place.write(
    "later.ts",
    `${throwing}\nimport { task } from ${library};\nexport const later = task("later", () => new Promise(() => {}));`,
  );
  place.write("bad.jsonl", '"a"\noops\n');
  const waiting = [...mistakes];
  const next = async (): Promise<void> => {
    for (let mistake = waiting.shift(); mistake; mistake = waiting.shift()) {
      const [what, args, message] = mistake;
      const { code, err } = await place.run(...args);
      assert.equal(code, 2, `${what}: ${err}`);
      const complaints = linesOf(err).filter((line) => line.startsWith("manyhands: "));
      assert.equal(complaints.length, 1, `${what}: ${err}`);
      assert.match(complaints[0] ?? "", message, what);
      assert.doesNotMatch(err, /^ +at /m, what);
    }
  };
  await Promise.all([next(), next(), next()]);
});

test("a folder as standard input is refused", (t) => {
  const place = new Place(t);
  const stdin = openSync(place.path, "r");
  t.after(() => closeSync(stdin));
  const args = [main, "map", "tasks.ts#upper", "-"];
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: place.path,
    stdio: [stdin, "pipe", "pipe"],
    encoding: "utf8",
  });
  assert.equal(status, 2);
  assert.match(stderr, /^manyhands: Standard input is a folder; inputs are read from a file\.$/m);
});

test("a module that never finishes loading is named, and Ctrl-C ends the command", async (t) => {
  const place = new Place(t);
  place.write("hangs.ts", "await new Promise(() => {});\nexport const x = 1;\n");
  place.write("uses.ts", 'import "./hangs.ts";\nexport const use = [];\n');
  const commands = [
    ["map", "hangs.ts#x", "a"],
    ["worker", "hangs.ts"],
    ["submit", "tasks.ts#upper", "a", "--use", "uses.ts"],
  ];
  await Promise.all(
    commands.map(async (args) => {
      const command = place.start(...args);
      await command.says(
        `"${args.join(" ").includes("uses") ? "uses" : "hangs"}.ts" has not finished loading: a top-level await`,
      );
      command.child.kill("SIGINT");
      assert.equal((await command.ended).code, "SIGINT");
    }),
  );
});

const noFull = existsSync("/dev/full") ? false : "there is no /dev/full here";

test("output that cannot be written is told, with any command", { skip: noFull }, async (t) => {
  const place = new Place(t);
  assert.equal((await place.run("submit", "tasks.ts#upper", "a")).code, 0);
  const full = openSync("/dev/full", "w");
  t.after(() => closeSync(full));
  for (const args of [["jobs", "--json"], ["jobs"], ["--help"], ["doctor"]]) {
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
      cwd: place.path,
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    assert.equal(status, 2, args.join(" "));
    assert.match(stderr, /Standard output could not be written: ENOSPC/, args.join(" "));
    assert.equal(linesOf(stderr).length, 1, stderr);
  }
});

test("with --json errors are JSON, and MANYHANDS_DEBUG shows the stack", async (t) => {
  const place = new Place(t);
  const [wrongState, wrongOption, debug] = await Promise.all([
    place.run("jobs", "--json", "--state", "dnoe"),
    place.run("jobs", "--json", "--stat", "done"),
    place.startWith({ MANYHANDS_DEBUG: "1" }, "jobs", "--state", "dnoe").ended,
  ]);
  const message = 'There is no state "dnoe". Did you mean "done"?';
  assert.deepEqual(json(wrongState.err), [{ error: { name: "UsageError", message, code: "USAGE" } }]);
  assert.match(errorOf(json(wrongOption.err)[0]).message, /--stat/);
  assert.match(debug.err, /^ +at .*selection\.ts/m);
});

test("an old Node is told what is needed", async (t) => {
  const place = new Place(t);
  place.write("old.mjs", 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.11.0" } });');
  const { code, err } = await place.startWith({ NODE_OPTIONS: "--import=./old.mjs" }, "--help").ended;
  assert.equal(code, 2);
  assert.match(err, /^manyhands needs Node 24 or newer; this is Node 20\.11\.0 \(.*\n$/);
  // What stands in the entry must parse there: it imports nothing before the check but the check.
  const entry = readFileSync(new URL("../../src/cli/main.ts", import.meta.url), "utf8");
  assert.deepEqual(entry.match(/^import .*/gm), ['import { nodeIsTooOld } from "../core/node-version.ts";']);
  assert.equal(stripTypeScriptTypes(entry), entry);
  // A program that imports the library is told the same.
  place.write("imports.mjs", `import ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};`);
  const imported = spawnSync(process.execPath, ["--import=./old.mjs", "imports.mjs"], { cwd: place.path, encoding: "utf8" });
  assert.match(imported.stderr, /^UsageError: manyhands needs Node 24 or newer; this is Node 20\.11\.0 /m);
});
