// What `manyhands doctor` has to go by, and what it finds. Each check is a function that looks at the scene and adds to the findings.
import type { Runtime } from "../../core/runtime.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { QueueInfo, WorkerInfo } from "../../fleet/worker-info.ts";
import type { Cli } from "../command.ts";
import { errorJson, toJson } from "../json.ts";
import { plural, printFacts } from "../table.ts";

/** An open store, and what was read from it at about one time. */
export interface Scene {
  readonly hands: Hands;
  readonly runtime: Runtime;
  /** By the store's clock. */
  readonly now: number;
  readonly workers: readonly WorkerInfo[];
  readonly queues: readonly QueueInfo[];
}

/** What was found. */
export class Findings {
  /** What a person has to act on. */
  readonly problems: string[] = [];
  /** What is merely worth knowing. */
  readonly hints: string[] = [];
  readonly facts: (readonly [name: string, value: string])[] = [];
  /** The same for programs. */
  readonly json: Record<string, unknown> = {};

  /** A check that could not be made is a problem, too. */
  failed(error: unknown): void {
    this.problems.push(errorJson(error).message);
  }

  print({ output }: Cli): void {
    const { problems, hints, facts, json } = this;
    if (output.json) return output.line(toJson({ ok: problems.length === 0, problems, hints, ...json }));
    printFacts(output, facts);
    output.line("");
    for (const hint of hints) output.line(`${output.paint("yellow", "hint")}     ${hint}`);
    for (const problem of problems) output.line(`${output.paint("red", "problem")}  ${problem}`);
    output.line(
      problems.length === 0 ? output.paint("green", "No problems found.") : `${plural(problems.length, "problem")} found.`,
    );
  }
}
