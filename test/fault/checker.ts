// Judges a run: reads everything that is known of it, and tells what must not have been. It trusts nobody: what the store holds
// must agree with what workers did, what submitters were told, and what was seen on the way.
import { checkEnding } from "./check-endings.ts";
import { checkGraphs, checkJoin } from "./check-joins.ts";
import { checkExisting, checkKeys } from "./check-keys.ts";
import { checkLimits } from "./check-limits.ts";
import { checkChildren, checkSaga } from "./check-sagas.ts";
import type { Case, Evidence, Violation } from "./evidence.ts";
import { Cases } from "./evidence.ts";

/** Numbers of a run. */
export interface Counts {
  readonly jobs: number;
  readonly joins: number;
  /** Submits that were acknowledged, those of them that were given a job that was there, and those that were not acknowledged. */
  readonly acknowledged: number;
  readonly existing: number;
  readonly unacknowledged: number;
  readonly failed: number;
  readonly setAside: number;
  /** Executions beyond those whose outcome counted. */
  readonly repeated: number;
  readonly refused: number;
  readonly leasesLost: number;
  readonly longestOutageMs: number;
}

/** What the checker found. */
export interface Verdict {
  readonly violations: readonly Violation[];
  readonly counts: Counts;
}

/** Judges the evidence. */
export function check(evidence: Evidence): Verdict {
  const cases = new Cases(evidence);
  const violations: Violation[] = [];
  const tell = (id: string, what: string): void => void violations.push({ id, what: `job ${id} ${what}` });
  for (const found of cases.all()) {
    const tellThis = (what: string): void => tell(found.id, what);
    checkEnding(found, tellThis);
    checkJoin(found, cases, tellThis);
    checkSaga(found, tellThis);
    checkTold(found, evidence.seen, tellThis);
  }
  checkGraphs(evidence.jobs, evidence.submits, tell);
  checkChildren(cases, tell);
  checkKeys(cases, tell);
  checkLimits(cases, tell);
  checkExisting(evidence.submits, cases, tell);
  for (const { id, error } of evidence.submits) {
    if (error !== null) tell(id, `could not be submitted, for another reason than the network: ${error}`);
  }
  return { violations, counts: count(evidence, cases) };
}

/** Whoever was told how the job ended was told what is stored. */
function checkTold({ id, job, made, submits }: Case, seen: Evidence["seen"], tell: (what: string) => void): void {
  if (!job) return;
  for (const { told } of submits) {
    if (told === null) continue;
    if ("token" in told ? told.token !== made?.token : job.state === "done") {
      tell(`is ${job.state} by ${made?.token}; a future was told ${JSON.stringify(told)}`);
    }
  }
  const result = seen.get(id);
  if (result !== undefined && result !== job.result) tell(`had ended with ${result} and is stored with ${job.result}`);
}

function count({ submits, jobs, history }: Evidence, cases: Cases): Counts {
  const acknowledged = submits.filter(({ ackedId }) => ackedId !== null);
  const ofKind = (kind: string): number => history.filter((line) => line.kind === kind).length;
  let repeated = 0;
  for (const { ran, job, answered } of cases.all()) {
    const counted = new Set(answered.filter(({ kind }) => kind === "accepted").map(({ fence }) => fence));
    repeated += ran.filter(({ fence }) => fence !== job?.fence && !counted.has(fence)).length;
  }
  return {
    jobs: jobs.length,
    joins: jobs.filter(({ task }) => task === "fault.join").length,
    acknowledged: acknowledged.length,
    existing: acknowledged.filter(({ id, ackedId }) => id !== ackedId).length,
    unacknowledged: submits.length - acknowledged.length,
    failed: jobs.filter(({ state }) => state === "failed").length,
    setAside: jobs.filter(({ state, crashes, crashLimit }) => state === "failed" && crashes > crashLimit).length,
    repeated,
    refused: ofKind("refused"),
    leasesLost: ofKind("lease-lost"),
    longestOutageMs: history.reduce((most, line) => (line.kind === "store-back" ? Math.max(most, line.ms) : most), 0),
  };
}
