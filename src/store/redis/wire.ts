// One connection in use: what was sent on it and is not answered, which scripts it has been given, and whether it still lives.
import type { Redis } from "ioredis";
import type { Runtime, Timer } from "../../core/runtime.ts";
import type { Package } from "./connect.ts";
import { drop } from "./connect.ts";
import type { Script } from "./scripts.ts";

/** Whether an operation that may have been done is sent again when its answer was lost. */
export type Repeat = "always" | "never";

/** The arguments of an operation; `again` is true when it may have been done before. */
export type Arguments = readonly string[] | ((again: boolean) => readonly string[]);

/** Something asked of the server: a script, or a command whose name is its first argument. */
export interface Operation {
  /** Counts them as they were asked for. */
  readonly no: number;
  readonly script: Script | undefined;
  readonly args: Arguments;
  readonly repeat: Repeat;
  readonly askedAt: number;
  sentAt: number;
  again: boolean;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

const deadAfterMs = 15_000;

/** Why a connection that does not answer was cut. */
export const silence: string = `it did not answer for ${deadAfterMs / 1000} s`;

/** A connection in use. */
export class Wire {
  readonly client: Redis;
  readonly #command: Package["Command"];
  readonly #key: string;
  readonly #runtime: Runtime;
  readonly #whenDead: () => void;
  readonly #flight = new Set<Operation>();
  readonly #given = new Set<string>();
  #deadTimer: Timer | undefined;
  #stalled = false;

  constructor(client: Redis, command: Package["Command"], key: string, runtime: Runtime, whenDead: () => void) {
    this.client = client;
    this.#command = command;
    this.#key = key;
    this.#runtime = runtime;
    this.#whenDead = whenDead;
  }

  /**
   * Whether this may be sent now. Not while answers are waited for: a script given for the first time would overtake those
   * before it that the server turns out not to know any more.
   */
  takes({ script }: Operation): boolean {
    if (script && !this.#given.has(script.sha) && this.#flight.size > 0) this.#stalled = true;
    return !this.#stalled;
  }

  /** The server has forgotten its scripts: nothing more is sent until all answers are there. */
  forgetScripts(): void {
    this.#given.clear();
    this.#stalled = true;
  }

  /** True once, when all answers are there for which sending was stopped. */
  resumes(): boolean {
    if (!this.#stalled || this.#flight.size > 0) return false;
    this.#stalled = false;
    return true;
  }

  async send(operation: Operation): Promise<unknown> {
    const [name, args] = this.#commandFor(operation);
    operation.sentAt = this.#runtime.elapsed();
    this.#flight.add(operation);
    this.#deadTimer ??= this.#armDead(deadAfterMs);
    try {
      return await this.client.sendCommand(new this.#command(name, args as string[], { replyEncoding: "utf8" }));
    } finally {
      this.#flight.delete(operation);
    }
  }

  close(): void {
    this.#deadTimer?.cancel();
    drop(this.client);
  }

  #commandFor({ script, args, again }: Operation): [name: string, args: readonly string[]] {
    const given = typeof args === "function" ? args(again) : args;
    if (!script) return [given[0] ?? "", given.slice(1)];
    if (this.#given.has(script.sha)) return ["EVALSHA", [script.sha, "1", this.#key, ...given]];
    this.#given.add(script.sha);
    return ["EVAL", [script.text, "1", this.#key, ...given]];
  }

  /** A connection that does not answer for long is as good as cut. */
  #armDead(ms: number): Timer {
    const check = (): void => {
      this.#deadTimer = undefined;
      const [oldest] = this.#flight;
      if (!oldest) return;
      const left = oldest.sentAt + deadAfterMs - this.#runtime.elapsed();
      if (left > 0) this.#deadTimer = this.#armDead(left);
      else this.#whenDead();
    };
    return this.#runtime.after(ms, check, { background: true });
  }
}
