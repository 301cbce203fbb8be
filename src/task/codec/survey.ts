// The slow half of `inspect`: a walk that looks at everything in a value for what structured clone would change.
// Structured clone keeps of an Error only its name, message, stack and cause; it refuses a Proxy; it keeps buffers
// resizable; and it recurses, so that it gives up on deep values.
import { types } from "node:util";
import { shallow } from "./depth.ts";
import type { Kind } from "./kinds.ts";
import { isResizable } from "./kinds.ts";
import type { Visitor } from "./walk.ts";
import { walk } from "./walk.ts";

/** What a value is about to leave: its thread, by postMessage, or its process, by v8.serialize. */
export type Crossing = "thread" | "process";

class Survey implements Visitor {
  exotic = false;
  readonly #crossing: Crossing;

  constructor(crossing: Crossing) {
    this.#crossing = crossing;
  }

  leaf(value: unknown): void {
    // The one leaf that is an object is a Hole.
    if (typeof value === "object" && value !== null) this.exotic = true;
  }

  again(): void {
    // Structured clone keeps shared references and cycles.
  }

  enter(value: object, kind: Kind, _at: unknown, _opened: unknown, depth: number): undefined {
    if (kind === "error" || depth >= shallow || types.isProxy(value) || isResizable(value, kind)) this.exotic = true;
    if (this.#crossing === "process" && kind === "view" && Buffer.isBuffer(value)) this.exotic = true;
  }
}

/** True when the value must travel as text. Throws {@link CodecError} with the path of what cannot be sent at all. */
export function isExotic(value: unknown, where: string, crossing: Crossing): boolean {
  const survey = new Survey(crossing);
  walk(value, survey, { where, allowShared: crossing === "thread" });
  return survey.exotic;
}
