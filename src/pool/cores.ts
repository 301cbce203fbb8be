// How many cores this program really has: what the operating system offers, or less where a container or a service manager
// limits the group the process is in. Both generations of Linux control groups are read; elsewhere there is nothing to read.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Reads a small file, or undefined where there is none. */
export type ReadText = (path: string) => string | undefined;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such file: not Linux, or no such limit.
    return undefined;
  }
}

/** Cores that `quota` microseconds of computing time in each `period` make; Infinity without a limit. */
function cores(quota: string | undefined, period: string | undefined): number {
  const count = Number(quota) / Number(period);
  return Number.isFinite(count) && count > 0 ? count : Infinity;
}

/** The group's path and those above it, `/a/b`, `/a`, ``: a limit of any of them holds. */
function upwards(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return Array.from({ length: parts.length + 1 }, (_, i) =>
    parts
      .slice(0, parts.length - i)
      .map((part) => `/${part}`)
      .join(""),
  );
}

function quotaV2(read: ReadText, group: string): number {
  const [quota, period] = read(`/sys/fs/cgroup${group}/cpu.max`)?.trim().split(/\s+/) ?? [];
  return cores(quota, period);
}

function quotaV1(read: ReadText, group: string): number {
  const found = ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu"].map((mount) =>
    cores(read(`${mount}${group}/cpu.cfs_quota_us`), read(`${mount}${group}/cpu.cfs_period_us`)),
  );
  return Math.min(...found);
}

/** The cores that control groups allow, perhaps a fraction; Infinity where they set no limit. */
export function quotaCores(read: ReadText): number {
  let least = Infinity;
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const quota = controllers === "" ? quotaV2 : controllers.split(",").includes("cpu") ? quotaV1 : undefined;
    if (quota) for (const group of upwards(path)) least = Math.min(least, quota(read, group));
  }
  return least;
}

/** The cores this program really has, at least 1; a part of a core counts as one. */
export function coreCount(parallelism: number = availableParallelism(), read: ReadText = readText): number {
  return Math.max(1, Math.min(parallelism, Math.ceil(quotaCores(read))));
}
