// The ground everything stands on: Node and the machine, what the store says of itself, and the clock.
import { availableParallelism } from "node:os";
import { showMs } from "../../core/durations.ts";
import type { StoreInfo } from "../../store/store.ts";
import { iso } from "../job-view.ts";
import { plural, showBytes } from "../table.ts";
import type { Findings, Scene } from "./findings.ts";

/** A clock that is this far behind the time of a stored job makes leases and delays wrong. */
const clockToleranceMs = 5000;
/** Less is the time that questions take. */
const leastSkewMs = 50;

/** Node and the machine. */
export function lookAtProcess(findings: Findings): void {
  const { versions, platform, arch, execPath } = process;
  findings.facts.push(["node", `${versions.node} at ${execPath}`]);
  findings.facts.push(["machine", `${platform} ${arch}, ${plural(availableParallelism(), "core")}`]);
  findings.json["node"] = versions.node;
  findings.json["cores"] = availableParallelism();
}

/** What the store says of itself. */
export function showInfo(findings: Findings, info: StoreInfo, openedMs: number): void {
  const settings = Object.entries(info.settings).map(([name, value]) => `${name} ${value === "" ? '""' : value}`);
  findings.facts.push(
    ["store", `${info.location}, opened in ${showMs(openedMs)}`],
    ["engine", `${info.engine}, schema ${info.schema}`],
    ["settings", settings.join("\n") || "none"],
    ["size", `${plural(info.jobs, "job")}, ${showBytes(info.bytes)}`],
  );
  findings.json["store"] = { ...info, openedMs };
  findings.problems.push(...info.problems);
}

/** The store's clock, and this machine's beside it. A server's own is compared by the store, which knows how precisely it can tell. */
export async function lookAtClock(findings: Findings, { hands, now }: Scene, ahead: number): Promise<void> {
  const off = Math.abs(ahead) < leastSkewMs ? "in step with" : `${showMs(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"}`;
  findings.facts.push(["clock", `${iso(now) ?? ""}; this machine's is ${off} the store's`]);
  findings.json["clock"] = { now: iso(now), machineAheadMs: ahead };
  const [newest] = await hands.jobs({ limit: 1 });
  if (!newest || newest.submittedAt <= now + clockToleranceMs) return;
  findings.problems.push(
    `This machine's clock is ${showMs(newest.submittedAt - now)} behind the time at which job ${newest.id} was submitted. Set the clock: leases and delays depend on it.`,
  );
}
