// What holds for all files for deployment and for the page that explains them: the command line they use exists, modules they
// name are there, and none of them holds a secret.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkFlags, graceMs, usesIn } from "./command-line.ts";
import { deploymentFiles, guide, read, readYaml, root } from "./tree.ts";

const pages = [...deploymentFiles, guide];
const harmless = /^(development-only|CHANGE-ME|\.\.\.|\$\{POSTGRES_PASSWORD:-development-only\})$/;

test("every YAML file is well-formed", () => {
  const files = deploymentFiles.filter((path) => /\.ya?ml$/.test(path));
  assert.equal(files.length, 6);
  for (const path of files) assert.equal(typeof readYaml<unknown>(path), "object", path);
});

for (const path of pages) {
  test(`${path} uses the command line as it is`, () => {
    const uses = usesIn(read(path));
    for (const use of uses) checkFlags(use);
    if (/deployment|Dockerfile|compose|service$/.test(path)) {
      assert.ok(
        uses.some(({ command }) => command === "worker"),
        "it starts a worker",
      );
    }
  });

  test(`${path} names no file of the repository that is not there`, () => {
    for (const [name] of read(path).matchAll(/(?<![\w/.-])(?:examples|deploy|docs)\/[\w./-]*\w/g)) {
      assert.ok(existsSync(join(root, name)), `there is no ${name}`);
    }
  });

  test(`${path} holds no secret`, () => {
    for (const [, password = ""] of read(path).matchAll(/:\/\/[^\s/:@]*:([^\s@]+)@/g)) assert.match(password, harmless);
    for (const [, value = ""] of read(path).matchAll(/(?<!\$\{\w*)PASSWORD\w*[:=] *(\S+)/gi)) {
      assert.match(value, /^(\$\{(POSTGRES|VALKEY)_PASSWORD:-development-only\}|\.\.\.)$/);
    }
  });
}

test("what is used of the command line is found, however it is written", () => {
  const found = usesIn(
    'command: ["manyhands", "worker", "tasks.ts", "--grace", "30s"]\nx; npx manyhands queues --json | wc --lines',
  );
  assert.deepEqual(
    found.map(({ command, flags }) => [command, ...flags]),
    [
      ["worker", "--grace"],
      ["queues", "--json"],
    ],
  );
  assert.throws(
    () => usesIn("manyhands worker tasks.ts --patience 3s").forEach(checkFlags),
    /manyhands worker has no --patience/,
  );
  assert.equal(graceMs(["worker", "--grace", "1m"]), 60_000);
  assert.equal(graceMs(["worker"]), 10_000);
});
