import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { batchTask, context, task, UsageError } from "../../src/index.ts";
import { backoffMs } from "../../src/task/options.ts";
import { definitionOf } from "../../src/task/task.ts";

const usage = (pattern: RegExp) => (error: unknown) => error instanceof UsageError && pattern.test(error.message);

test("a task is the plain function, with its name and options", () => {
  const add = task("task.add", (a: number, b: number) => a + b, { retries: 2 });
  assert.equal(add(1, 2), 3);
  assert.equal(add.name, "task.add");
  assert.equal(add.length, 2);
  assert.deepEqual(add.options, { retries: 2 });
  for (const own of ["call", "apply", "bind"]) assert.ok(!Object.hasOwn(add, own), own);
  assert.equal(Reflect.apply(add, undefined, [3, 4]), 7);
});

test("with() gives a copy and leaves the task as it was", () => {
  const base = task("task.base", (n: number) => n, { retries: 2, priority: 1 });
  const copy = base.with({ priority: 9 });
  assert.deepEqual(copy.options, { retries: 2, priority: 9 });
  assert.deepEqual(base.options, { retries: 2, priority: 1 });
  assert.equal(copy(5), 5);
});

test("the module and line of a task are found", () => {
  const here = task("task.here", () => 1);
  assert.equal(definitionOf(here).module, import.meta.url);
  assert.match(definitionOf(here).place ?? "", /task\.test\.ts:\d+$/);
  assert.equal(definitionOf(task("task.given", () => 1, { module: "file:///x/tasks.js" })).module, "file:///x/tasks.js");
});

test("options are checked where the task is defined", () => {
  const define = (options: object) => () => task("task.bad", (n: number) => n, options);
  assert.throws(define({ retires: 3 }), usage(/no option "retires"\. Did you mean "retries"\?/));
  assert.throws(define({ retries: -1 }), usage(/retries must be a whole number of at least 0, found -1/));
  assert.throws(define({ retries: 1.5 }), usage(/found 1\.5/));
  assert.throws(define({ timeout: "5 minutes" }), usage(/timeout must be a duration, found "5 minutes"/));
  assert.throws(define({ timeout: 0 }), usage(/timeout must be longer than 0, found 0/));
  assert.throws(define({ expires: "0s" }), usage(/expires must be longer than 0, found "0s"/));
  assert.throws(
    define({ delay: "2m", expires: "1m" }),
    usage(/can never start: its delay \("2m"\) is not shorter than its expires \("1m"\)/),
  );
  for (const long of ["delay", "timeout", "expires", "keep"]) {
    assert.throws(define({ [long]: 1e300 }), usage(new RegExp(`${long} is at most a thousand years`)));
  }
  assert.throws(define({ backoff: { max: "1000000d" } }), usage(/backoff\.max is at most a thousand years/));
  assert.throws(define({ at: 1e300 }), usage(/valid Date/));
  assert.throws(define({ on: "threads" }), usage(/must be one of "loop", "thread", "process", found "threads"/));
  assert.throws(define({ queue: "two words" }), usage(/queue's name/));
  assert.throws(define({ backoff: { inital: 5 } }), usage(/Did you mean "initial"/));
  assert.throws(define({ backoff: { jitter: 2 } }), usage(/jitter must be a number from 0 to 1/));
  assert.throws(define({ delay: "1s", at: 5 }), usage(/both "delay" and "at"/));
  assert.throws(define({ at: new Date("never") }), usage(/valid Date/));
  assert.throws(define({ input: {} }), usage(/Standard Schema/));
  assert.throws(define({ unique: { until: "forever" } }), usage(/unique\.until/));
  assert.throws(define({ resources: 3 }), usage(/no option "resources"/));
  assert.throws(() => task("task.bad", 5 as never), usage(/needs a function, found 5/));
  const plain = function* (): Generator<number> {
    yield 1;
  };
  assert.throws(() => task("task.bad", plain), usage(/"task\.bad" is a generator \(function\*\).*Write async function\*\./));
  assert.throws(() => batchTask("task.bad", plain as never, { batch: { size: 2 } }), usage(/returns the list of results/));
  assert.throws(() => task("two words", () => 1), usage(/without spaces/));
  assert.throws(() => task("half\ud83d", () => 1), usage(/without spaces/));
  assert.throws(() => task("", () => 1), usage(/1 to 200 characters/));
});

test("two tasks of one name are refused, with both places", () => {
  task("task.twice", () => 1);
  assert.throws(
    () => task("task.twice", () => 2),
    usage(/Two tasks are named "task\.twice": one at .*task\.test\.ts:\d+, one at .*task\.test\.ts:\d+/),
  );
});

test("the same place may define a task again, as a reloaded module does", () => {
  for (let i = 0; i < 2; i++) assert.equal(task("task.again", () => i)(), i);
});

test("backoff grows by its factor up to its maximum, less a random part", () => {
  const backoff = { initialMs: 100, factor: 3, maxMs: 1000, jitter: 0.5 };
  assert.deepEqual(
    [1, 2, 3, 4, 500].map((failed) => backoffMs(backoff, failed, 0)),
    [100, 300, 900, 1000, 1000],
  );
  assert.equal(backoffMs(backoff, 1, 1), 50);
});

test("context() outside a task is a clear error", () => {
  assert.throws(() => context(), usage(/outside a running task/));
});

test("a task defined by a JavaScript module has that module", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "manyhands-task-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const source = pathToFileURL(join(import.meta.dirname, "../../src/index.ts")).href;
  const file = join(folder, "tasks.js");
  writeFileSync(
    file,
    `import { task } from ${JSON.stringify(source)};
     import { definitionOf } from ${JSON.stringify(source.replace("index.ts", "task/task.ts"))};
     console.log(definitionOf(task("js", () => 1)).module === import.meta.url);`,
  );
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: "utf8" });
  assert.equal(stdout, "true\n", stderr);
});
