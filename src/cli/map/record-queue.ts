// Where the record of a map is kept: in a queue of its own, found again by the same command. Same means the same task over the
// same inputs as they were typed, in the same folder. What does not change a result (--workers, --on, --unordered, --json, --retries,
// --timeout, --quiet) may differ, and what a pattern finds or a file holds may have changed: inputs are matched one by one. What
// comes down a pipe cannot be known before it is read, so maps over standard input that are alike in all else share a record.
import { hash } from "node:crypto";
import type { Runtime } from "../../core/runtime.ts";
import type { Hands } from "../../fleet/hands.ts";
import { liveStates } from "../../task/state.ts";
import { clearLeftovers } from "./alone.ts";
import type { GivenInputs } from "./inputs.ts";

/** A run that nobody has taken up for so long is over: its results are deleted by the store, its waiting jobs here. */
export const keepDays = 30;

/** The queue for these inputs of this task. */
export function recordQueue(module: string, task: string, inputs: GivenInputs): string {
  const { texts, jsonl, asJson, spread, literal } = inputs;
  const key = JSON.stringify([module, task, process.cwd(), texts, jsonl, asJson, spread, literal]);
  return `map:${hash("sha256", key, "hex").slice(0, 16)}`;
}

/** True for the queue of some map. */
export function isRecordQueue(queue: string): boolean {
  return /^map:[0-9a-f]{16}$/.test(queue);
}

/** Drops what interrupted runs of other maps left waiting more than `keepDays` ago: no worker would ever take it. */
export async function dropForgotten(hands: Hands, runtime: Runtime): Promise<void> {
  for (const { queue, counts } of await hands.queues()) {
    if (!isRecordQueue(queue) || liveStates.every((state) => counts[state] === 0)) continue;
    const [newest] = await hands.jobs({ queue, limit: 1 });
    if (newest && runtime.now() - newest.submittedAt > keepDays * 864e5) await clearLeftovers(hands, queue);
  }
}
