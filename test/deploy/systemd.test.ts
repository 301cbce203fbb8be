// The systemd unit: how it starts and ends the worker. Where systemd is installed, that reads it too.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { toMs } from "../../src/core/durations.ts";
import { folder } from "../fixtures/support.ts";
import { graceMs, marginMs } from "./command-line.ts";
import { read } from "./tree.ts";

const name = "manyhands-worker.service";
const text = read(`deploy/systemd/${name}`);

/** `Section.Key` to value; no key of this unit is given twice. */
function settingsOf(unit: string): Map<string, string> {
  const settings = new Map<string, string>();
  let section = "";
  for (const line of unit.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, header, key = "", value = ""] = /^(?:\[(\w+)\]|(\w+)=(.*))$/.exec(line) ?? assert.fail(`cannot be read: ${line}`);
    if (header !== undefined) section = header;
    else {
      assert.ok(!settings.has(`${section}.${key}`), `${key} is given twice`);
      settings.set(`${section}.${key}`, value);
    }
  }
  return settings;
}

const settings = settingsOf(text);
const start = (settings.get("Service.ExecStart") ?? "").split(" ");

test("the worker is stopped in good order, with time for it", () => {
  assert.deepEqual(start.slice(0, 2), [`${settings.get("Service.WorkingDirectory")}/node_modules/.bin/manyhands`, "worker"]);
  assert.equal(settings.get("Service.KillMode"), "mixed", "SIGTERM goes to the worker, not to its processes");
  const stopMs = toMs(settings.get("Service.TimeoutStopSec"), "TimeoutStopSec");
  assert.ok(stopMs >= graceMs(start) + marginMs, "TimeoutStopSec is longer than --grace");
});

test("it is started again, not as root, with its store from a file", () => {
  assert.equal(settings.get("Service.Restart"), "always");
  assert.equal(settings.get("Service.DynamicUser"), "yes");
  assert.equal(settings.get("Service.User"), undefined);
  assert.match(settings.get("Service.EnvironmentFile") ?? "", /^\/etc\//);
  assert.equal(settings.get("Service.Environment"), undefined);
  assert.equal(settings.get("Service.MemoryDenyWriteExecute"), undefined, "Node could not compile");
});

const analyzes = spawnSync("systemd-analyze", ["--version"]).status === 0;

test("systemd accepts it", { skip: !analyzes && "systemd is not installed" }, (t) => {
  const path = join(folder(t), name);
  // It asks for the program, which is not installed here, to be there.
  writeFileSync(path, text.replace(start[0] ?? "", process.execPath));
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(status, 0);
});
