// The Dockerfile, and the one in the guide that is the model for a program of one's own, without an engine to build them.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { copiesOf, last, stagesOf } from "./dockerfile.ts";
import type { Stage } from "./dockerfile.ts";
import { blocksIn, guide, read, root } from "./tree.ts";

const stages = stagesOf(read("Dockerfile"));
const image = stages.at(-1) as Stage;
const models = blocksIn(read(guide), "dockerfile").map(stagesOf);

/** What `.dockerignore` lets into the build, besides everything below these. It is a list of exceptions from "nothing". */
function allowed(): string[] {
  const lines = read(".dockerignore")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  assert.equal(lines[0], "*", "nothing is let in but what is named");
  return lines.slice(1).map((line) => {
    assert.ok(line.startsWith("!"), `${line} is not an exception`);
    return line.slice(1);
  });
}

function checkImage(all: readonly Stage[]): void {
  const final = all.at(-1) as Stage;
  const known: string[] = [];
  for (const stage of all) {
    assert.match(stage.image, /^node:24[\w.]*-slim$/, "pinned to the Node that manyhands needs");
    for (const { from } of copiesOf(stage))
      assert.ok(from === undefined || known.includes(from), `there is no stage ${from} above`);
    if (stage.name) known.push(stage.name);
  }
  const user = last(final, "USER")?.text ?? "root";
  assert.match(user, /^[1-9]\d*:[1-9]\d*$/, "a number that is not root, which Kubernetes can check");
  for (const name of ["ENTRYPOINT", "CMD"]) {
    assert.equal(last(final, name)?.json, true, `${name} is a JSON array: no shell stands between the worker and its signals`);
  }
  assert.deepEqual(last(final, "ENTRYPOINT")?.args, ["/usr/bin/tini", "--"]);
  assert.ok(
    final.instructions.some(({ name, text }) => name === "RUN" && /apt-get install .*\btini\b/.test(text)),
    "tini is installed",
  );
  assert.equal(last(final, "CMD")?.args[1], "worker");
  assert.notEqual(last(final, "CMD")?.args[0], "npx", "npx does not pass SIGTERM on");
}

test("the image runs a worker: not as root, and signals reach it", () => checkImage(stages));

test("so does the model in the guide", () => {
  const [model] = models;
  assert.ok(model && models.length === 1);
  checkImage(model);
  assert.equal(last(model.at(-1) as Stage, "CMD")?.args[0], "manyhands", "as the manifests start it");
  assert.match(last(model.at(-1) as Stage, "ENV")?.text ?? "", /PATH=\/app\/node_modules\/\.bin:/);
});

test("what the Dockerfile copies is there and is let into the build", () => {
  const exceptions = allowed();
  for (const path of exceptions) assert.ok(existsSync(join(root, path)), `.dockerignore lets in ${path}, which is not there`);
  const sources = stages.flatMap(copiesOf).flatMap(({ from, sources }) => (from === undefined ? sources : []));
  for (const source of sources) {
    assert.ok(existsSync(join(root, source)), `there is no ${source}`);
    assert.ok(
      exceptions.some((path) => source === path || source.startsWith(`${path}/`)),
      `.dockerignore keeps ${source} out`,
    );
  }
  for (const path of exceptions) {
    const used = sources.some((source) => source === path || path.startsWith(`${source}/`));
    assert.ok(used, `.dockerignore lets in ${path}, which nothing copies`);
  }
});

test("what the image starts is in it", () => {
  const targets = copiesOf(image).map(({ target }) => target);
  const [program, command, module = ""] = last(image, "CMD")?.args ?? [];
  assert.deepEqual([program, command], ["manyhands", "worker"]);
  assert.ok(
    targets.some((target) => module.startsWith(`${target}/`)) && existsSync(join(root, module)),
    `${module} is in the image`,
  );
  const link = image.instructions.find(({ name, args }) => name === "RUN" && args[0] === "ln")?.args;
  assert.deepEqual(link, ["ln", "-s", "/app/dist/cli/main.js", "/usr/local/bin/manyhands"]);
  assert.equal((JSON.parse(read("package.json")) as { bin: { manyhands: string } }).bin.manyhands, "./dist/cli/main.js");
});

test("the lock file has a version of every client the image installs", () => {
  const { peerDependencies } = JSON.parse(read("package.json")) as { peerDependencies: Record<string, string> };
  const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, unknown> };
  assert.deepEqual(Object.keys(peerDependencies), ["@aws-sdk/client-s3", "ioredis", "pg"]);
  for (const name of Object.keys(peerDependencies)) assert.ok(packages[`node_modules/${name}`], `no version of ${name}`);
});
