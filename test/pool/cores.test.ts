// How many cores there are is read from control groups of both generations; here their files are made up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { coreCount, quotaCores } from "../../src/pool/cores.ts";
import type { ReadText } from "../../src/pool/cores.ts";

const files =
  (contents: Readonly<Record<string, string>>): ReadText =>
  (path) =>
    contents[path];

test("without control groups there is no limit", () => {
  assert.equal(quotaCores(files({})), Infinity);
  assert.equal(coreCount(8, files({})), 8);
});

test("version 2: the quota of the group and of those above it", () => {
  const own = { "/proc/self/cgroup": "0::/kube/pod/box\n" };
  assert.equal(quotaCores(files({ ...own, "/sys/fs/cgroup/kube/pod/box/cpu.max": "150000 100000\n" })), 1.5);
  assert.equal(quotaCores(files({ ...own, "/sys/fs/cgroup/kube/pod/box/cpu.max": "max 100000\n" })), Infinity);
  const nested = { "/sys/fs/cgroup/kube/pod/box/cpu.max": "400000 100000", "/sys/fs/cgroup/kube/cpu.max": "200000 100000" };
  assert.equal(quotaCores(files({ ...own, ...nested })), 2);
});

test("version 2 in a container: the group is the root", () => {
  assert.equal(quotaCores(files({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "50000 100000" })), 0.5);
});

test("version 1: the quota of the cpu controller, wherever it is mounted", () => {
  const own = { "/proc/self/cgroup": "12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x\n" };
  const at = (mount: string, quota: string): Record<string, string> => ({
    [`/sys/fs/cgroup/${mount}/cpu.cfs_quota_us`]: quota,
    [`/sys/fs/cgroup/${mount}/cpu.cfs_period_us`]: "100000\n",
  });
  assert.equal(quotaCores(files({ ...own, ...at("cpu,cpuacct/docker/x", "300000\n") })), 3);
  assert.equal(quotaCores(files({ ...own, ...at("cpu", "250000\n") })), 2.5);
  assert.equal(quotaCores(files({ ...own, ...at("cpu", "-1\n") })), Infinity);
});

test("a part of a core counts as one, and there is always one", () => {
  const limited = (max: string): ReadText => files({ "/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": max });
  assert.equal(coreCount(8, limited("150000 100000")), 2);
  assert.equal(coreCount(8, limited("10000 100000")), 1);
  assert.equal(coreCount(2, limited("800000 100000")), 2);
  assert.equal(coreCount(0, limited("max 100000")), 1);
});

test("what makes no sense is no limit", () => {
  for (const max of ["", "abc def", "0 0", "-5 100000", "100000"]) {
    assert.equal(quotaCores(files({ "/proc/self/cgroup": "0::/\nnonsense\n", "/sys/fs/cgroup/cpu.max": max })), Infinity, max);
  }
});

test("this machine has at least one core", () => {
  assert.ok(coreCount() >= 1);
});
