// A disk that fills up: a small file system of its own holds the store, in a child that alone can see it. Where that cannot be
// made (it takes Linux and the right to mount, or user namespaces) the test is skipped and says so.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { newPath } from "./files.ts";

const program = join(import.meta.dirname, "full-disk-child.ts");

function onSmallDisk(folder: string, ...command: string[]): ReturnType<typeof spawnSync> | undefined {
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const script = `mount -t tmpfs -o size=4m manyhands '${folder}' && exec ${quoted}`;
  for (const flags of ["-m", "-rm"]) {
    const able = spawnSync("unshare", [flags, "sh", "-c", `mount -t tmpfs -o size=4m manyhands '${folder}'`]);
    if (able.status === 0) return spawnSync("unshare", [flags, "sh", "-c", script], { encoding: "utf8" });
  }
  return undefined;
}

test(
  "a full disk gives a clear error, loses nothing acknowledged, and the store goes on when there is space",
  { timeout: 60_000 },
  (t) => {
    const folder = join(dirname(newPath()), "disk");
    mkdirSync(folder, { recursive: true });
    const child = onSmallDisk(folder, process.execPath, program, join(folder, "hands.db"));
    if (!child) return t.skip("a small file system cannot be mounted here");
    t.diagnostic(String(child.stdout).trim());
    assert.equal(child.status, 0, String(child.stderr));
    assert.match(String(child.stdout), /^ok /);
  },
);
