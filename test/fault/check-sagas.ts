// What a job remembers and whom it submits: a step whose result a later one could rely on never ran again, the results are those of recorded
// executions, the signal arrived, and children were made once, whatever became of the attempts of their parent.
import type { Case, Cases } from "./evidence.ts";
import type { Tell } from "./check-endings.ts";
import { childrenOfParent } from "./tasks.ts";

const steps = ["first", "second", "third"];

/** The steps of this job. */
export function checkSaga({ job, made, stepped }: Case, tell: Tell): void {
  if (job?.task !== "fault.saga" || !made) return;
  if (made.signal !== made.n) tell(`got ${JSON.stringify(made.signal)} by its signal instead of ${made.n}`);
  for (const [index, name] of steps.entries()) {
    const ran = stepped.filter(({ step }) => step === name);
    const counted = ran.find(({ token }) => token === made.steps?.[index]);
    if (!counted) tell(`has a result of its step "${name}" that no execution of it gave`);
    const later = stepped.find(({ step }) => step === steps[index + 1]);
    const again = ran.find(({ at }) => later !== undefined && at > later.at);
    // An attempt that lost its lease may still be at an earlier step.
    if (again && later && again.fence > later.fence) tell(`ran its step "${name}" again after its step "${later.step}"`);
  }
}

/** The children of all parents. */
export function checkChildren(cases: Cases, tell: (id: string, what: string) => void): void {
  const children = new Map<string, string[]>();
  for (const { id, job } of cases.all()) {
    if (job && job.parent !== null) children.set(job.parent, [...(children.get(job.parent) ?? []), id]);
  }
  for (const { id, job, made } of cases.all()) {
    if (job?.task !== "fault.parent" || !made) continue;
    const own = children.get(id) ?? [];
    if (own.length !== childrenOfParent) tell(id, `has ${own.length} children, not ${childrenOfParent}`);
    for (const [index, { id: child, n, token }] of (made.parts ?? []).entries()) {
      const found = cases.get(child);
      if (!own.includes(child) || n !== made.n + 1 + index || found?.made?.token !== token)
        tell(id, `got a result of its child ${child} that is not the one recorded`);
    }
  }
}
