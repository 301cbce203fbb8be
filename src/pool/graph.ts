// A submitted graph of calls. Each call is one entry, blocked until those it depends on are done; its arguments are then filled
// in and checked, and it goes its way like any other. When a call does not succeed, those above it that need it fail, and so on
// up; to those that tolerate it, it is done. What only failed calls need is dropped if it has not begun, since nobody can ask for
// it. No step recurses, and one end is seen to after another: a graph may be deeper than the stack.
import type { Node } from "../task/call.ts";
import { fill, isGathering } from "../task/call.ts";
import { Failure } from "../task/gather.ts";
import type { FinalState, JobState } from "../task/state.ts";
import type { Definition } from "../task/task.ts";
import { definitionOf } from "../task/task.ts";
import { dependencyFailed } from "../task/dependency.ts";
import { notNeeded } from "./endings.ts";
import type { Engine } from "./engine.ts";
import { Entry } from "./entry.ts";
import type { CancelReceipt, Future, Handle, Progress } from "./future.ts";
import { PromptFuture } from "./prompt-future.ts";
import { checkInput } from "./input.ts";

class NodeEntry extends Entry {
  readonly graph: Graph;
  readonly node: Node;
  /** Its place in the graph. */
  readonly at: number;
  /** Entries that wait for this one. */
  readonly above: NodeEntry[] = [];
  /** How many dependencies are not done. */
  pending: number;
  /** How many of those above have not ended. */
  needed = 0;
  /** The result, or a {@link Failure}. */
  result: unknown = undefined;
  /** The dependency that made it fail. */
  through: NodeEntry | undefined = undefined;

  constructor(graph: Graph, engine: Engine, node: Node, at: number, definition: Definition) {
    super(definition, engine.intake.recordOf(definition), engine.intake.nextNumber());
    this.graph = graph;
    this.node = node;
    this.at = at;
    this.pending = node.dependsOn.length;
    if (this.pending > 0) this.phase = "blocked";
    else engine.intake.setArgs(this, checkInput(definition, node.args));
  }

  tolerates(below: NodeEntry): boolean {
    return this.node.tolerates.has(below.at);
  }

  ended(state: FinalState, outcome: unknown): void {
    this.graph.nodeEnded(this, state, outcome);
  }
}

export class Graph implements Handle {
  readonly future: Future<unknown>;
  readonly #engine: Engine;
  readonly #entries: readonly NodeEntry[];
  readonly #root: NodeEntry;
  #resolve: ((result: unknown) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  /** The root has failed, or all is cancelled: how the others end is of no interest. */
  #isOver = false;
  #isCancelled = false;
  /** Ends that have not been seen to; undefined while nobody sees to any. */
  #ends: (readonly [NodeEntry, FinalState, unknown])[] | undefined;
  #cancelling: Promise<CancelReceipt> | undefined;

  /** Throws UsageError or CodecError when a call cannot be submitted; nothing has begun then. */
  constructor(engine: Engine, nodes: readonly Node[], heirOf: (definition: Definition) => Definition) {
    this.#engine = engine;
    this.#entries = nodes.map((node, at) => new NodeEntry(this, engine, node, at, heirOf(definitionOf(node.call.task))));
    this.#root = this.#entries[this.#entries.length - 1] as NodeEntry;
    for (const entry of this.#entries) for (const below of this.#below(entry)) below.above.push(entry);
    for (const entry of this.#entries) entry.needed = entry.above.length;
    this.future = new PromptFuture<unknown>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    }, this);
  }

  get id(): string {
    return this.#engine.intake.idOf(this.#root);
  }

  get state(): JobState {
    return this.#root.state;
  }

  get progress(): Progress | undefined {
    return this.#root.progress;
  }

  get submitted(): Promise<string> {
    return Promise.resolve(this.id);
  }

  parts(restarted: (() => void) | undefined): AsyncGenerator<unknown, void> {
    return this.#root.readParts(this.id, restarted);
  }

  start(): void {
    const caller = this.#engine.nesting.caller();
    for (const entry of this.#entries) this.#engine.begin(entry, caller);
    for (const entry of this.#entries) if (entry.pending === 0) this.#start(entry, entry.node.args);
  }

  cancel(reason: string | undefined): Promise<CancelReceipt> {
    this.#cancelling ??= this.#cancel(reason);
    return this.#cancelling;
  }

  async #cancel(reason: string | undefined): Promise<CancelReceipt> {
    if (this.#root.hasEnded) return this.#engine.wishes.cancelAll([], reason);
    this.#isOver = true;
    this.#isCancelled = true;
    const receipt = await this.#engine.wishes.cancelAll(
      this.#entries.filter((entry) => !entry.hasEnded),
      reason,
    );
    // Only now has everything below it stopped, too.
    this.#reject?.(this.#root.result);
    return receipt;
  }

  nodeEnded(entry: NodeEntry, state: FinalState, outcome: unknown): void {
    if (entry !== this.#root && this.#isOver) return;
    if (this.#ends) return void this.#ends.push([entry, state, outcome]);
    this.#ends = [[entry, state, outcome]];
    for (const end of this.#ends) this.#seeTo(...end);
    this.#ends = undefined;
  }

  #seeTo(entry: NodeEntry, state: FinalState, outcome: unknown): void {
    const isDone = state === "done";
    entry.result = isDone ? outcome : new Failure(outcome);
    if (entry === this.#root) return this.#rootEnded(isDone, outcome);
    if (this.#isOver) return;
    for (const above of entry.above) {
      if (above.hasEnded) continue;
      if (!isDone && !above.tolerates(entry)) this.#fail(above, entry);
      else if (--above.pending === 0) this.#unblock(above);
    }
    if (!isDone) this.#dropUnneeded(entry);
  }

  #rootEnded(isDone: boolean, outcome: unknown): void {
    if (isDone) return this.#resolve?.(outcome);
    if (!this.#isCancelled) this.#reject?.(outcome);
    else this.#root.result = outcome;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#engine.wishes.drop(
      this.#entries.filter((each) => !each.hasEnded),
      notNeeded(this.#root),
    );
  }

  #below(entry: NodeEntry): NodeEntry[] {
    return entry.node.dependsOn.map((at) => this.#entries[at] as NodeEntry);
  }

  #unblock(entry: NodeEntry): void {
    const results = this.#below(entry).map(({ result }) => result);
    try {
      const args = checkInput(entry.definition, fill(entry.node.args, results));
      if (!isGathering(entry.node.call)) this.#engine.intake.setArgs(entry, args);
      this.#start(entry, args);
    } catch (error) {
      this.#engine.end(entry, "failed", error);
    }
  }

  /** A group is its one argument: no worker need be asked. */
  #start(entry: NodeEntry, args: readonly unknown[]): void {
    if (isGathering(entry.node.call)) this.#engine.end(entry, "done", args[0]);
    else this.#engine.start(entry);
  }

  /** Fails a call that needs one that did not succeed. Only an error that someone gets is made: its path may be long. */
  #fail(entry: NodeEntry, through: NodeEntry): void {
    entry.through = through;
    const isSeen = entry === this.#root || entry.above.some((above) => above.tolerates(entry));
    this.#engine.end(entry, "failed", isSeen ? this.#failureOf(entry) : undefined);
  }

  #failureOf(entry: NodeEntry): Error {
    const path = [entry];
    for (let next = entry.through; next; next = next.through) path.push(next);
    const bottom = path.at(-1) as NodeEntry;
    return dependencyFailed(`Task "${entry.definition.name}" (${this.#engine.intake.idOf(entry)})`, {
      path: path.map(({ definition }) => definition.name),
      jobId: this.#engine.intake.idOf(bottom),
      error: (bottom.result as Failure).error,
    });
  }

  /** Drops what only this failed call needed; one that has begun goes on to its end. */
  #dropUnneeded(entry: NodeEntry): void {
    const unneeded = this.#below(entry).filter((below) => --below.needed === 0 && !below.hasEnded);
    if (unneeded.length > 0) this.#engine.wishes.drop(unneeded, notNeeded(entry));
  }
}
