// A graph is stored whole or not at all, and a join ran with the recorded results of all its leaves, in their order.
import type { Job } from "../../src/store/job.ts";
import type { Case, Cases } from "./evidence.ts";
import type { Tell } from "./check-endings.ts";
import type { Submit } from "./workload.ts";

/** The results this join got. */
export function checkJoin(found: Case, cases: Cases, tell: Tell): void {
  const { job, made } = found;
  if (job?.task !== "fault.join" || !made) return;
  const parts = made.parts ?? [];
  if (parts.length !== job.dependencies || new Set(parts.map(({ id }) => id)).size !== parts.length) {
    tell(`joined ${parts.length} results of ${job.dependencies} dependencies`);
  }
  let before = -1;
  for (const { id, n, token } of parts) {
    const part = cases.get(id);
    if (part?.job?.root !== job.root || part.made?.n !== n || part.made.token !== token) {
      tell(`joined a result of ${id} that is not the one recorded`);
    }
    if (n <= before) tell(`joined its results in another order than it asked for`);
    before = n;
    if (ranAt(found) < ranAt(part)) tell(`ran before ${id}, whose result it needs`);
  }
}

/** When the execution that counts began. */
function ranAt(found: Case | undefined): number {
  return found?.ran.find(({ token }) => token === found.made?.token)?.at ?? 0;
}

/** Each graph is whole, and somebody submitted it. */
export function checkGraphs(jobs: readonly Job[], submits: readonly Submit[], tell: (id: string, what: string) => void): void {
  const sizes = new Map(submits.map(({ id, size }) => [id, size]));
  const stored = new Map<string, number>();
  for (const { root } of jobs) stored.set(root, (stored.get(root) ?? 0) + 1);
  for (const [root, count] of stored) {
    const size = sizes.get(root);
    if (size === undefined) tell(root, `is the root of ${count} jobs nobody submitted`);
    else if (size !== count) tell(root, `is the root of ${count} stored jobs of ${size} submitted together`);
  }
}
