// A filter as a script takes it.
import type { JobFilter } from "../store.ts";
import { toField } from "./field.ts";
import { stateLetters } from "./text.ts";

/** The arguments that stand for a filter; see `lua/select.ts`. */
export function filterArguments({ ids, states, queue, task, root }: JobFilter): string[] {
  const equal = (value: string | undefined): string => (value === undefined ? "" : `=${toField(value)}`);
  return [
    ids ? "1" : "0",
    String(ids?.length ?? 0),
    ...(ids ?? []).map(toField),
    states ? states.map((state) => stateLetters[state]).join("") : "*",
    equal(queue),
    equal(task),
    equal(root),
  ];
}
