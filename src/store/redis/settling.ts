// The arguments of `settle`.
import type { Outcome } from "../job.ts";
import type { Want } from "../store.ts";
import { numberField, separator, toField } from "./field.ts";

const letters: Readonly<Record<Outcome["kind"], string>> = {
  done: "d",
  failed: "f",
  cancelled: "c",
  retry: "t",
  crashed: "x",
  waiting: "w",
  released: "r",
};

function textOf(outcome: Outcome): string {
  if (outcome.kind === "done") return toField(outcome.result);
  if (outcome.kind === "waiting")
    return numberField(outcome.dueAt) + separator + String(outcome.seen) + separator + toField(outcome.waits);
  if (outcome.kind === "retry") return String(outcome.dueAt) + separator + toField(outcome.error);
  return "error" in outcome ? toField(outcome.error) : "";
}

/** See `lua/settle.ts`. */
export function settleArguments(
  origin: string,
  worker: string,
  outcomes: readonly Outcome[],
  wants: readonly Want[],
  now: number,
): string[] {
  const runs: [how: string, count: number][] = [];
  const pairs: string[] = [];
  for (const outcome of outcomes) {
    const how = letters[outcome.kind] + outcome.fence;
    const run = runs.at(-1);
    if (run?.[0] === how) run[1] += 1;
    else runs.push([how, 1]);
    pairs.push(toField(outcome.id), textOf(outcome));
  }
  const args = [origin, toField(worker), String(now), String(outcomes.length), String(runs.length), ...runs.flat().map(String)];
  for (const text of pairs) args.push(text);
  for (const { queues, tasks, limit } of wants) {
    const asked = [...new Set(queues)];
    args.push(String(limit), String(asked.length), String(tasks.length), ...asked.map(toField), ...tasks.map(toField));
  }
  return args;
}
