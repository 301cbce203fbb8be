// A submitted graph of calls. Each call is one entry, blocked until those it depends on are done; its arguments are then filled
// in and checked, and it goes its way like any other. When a call does not succeed, those above it fail, and with them the whole;
// what has not begun by then is dropped, since nobody can ask for it. No step recurses: a graph may be deeper than the stack.
import type { Node } from "../task/call.ts";
import { fill } from "../task/call.ts";
import type { FinalState, JobState } from "../task/state.ts";
import { definitionOf } from "../task/task.ts";
import { dependencyFailed, notNeeded } from "./endings.ts";
import type { Engine } from "./engine.ts";
import { Entry } from "./entry.ts";
import type { CancelReceipt, Future, Handle, Progress } from "./future.ts";
import { PromptFuture } from "./prompt-future.ts";
import { checkInput } from "./input.ts";

class NodeEntry extends Entry {
  readonly graph: Graph;
  readonly node: Node;
  /** Entries that wait for this one. */
  readonly above: NodeEntry[] = [];
  /** How many dependencies are not done. */
  pending: number;
  result: unknown = undefined;

  constructor(graph: Graph, engine: Engine, node: Node) {
    const definition = definitionOf(node.call.task);
    super(definition, engine.recordOf(definition), engine.nextNumber());
    this.graph = graph;
    this.node = node;
    this.pending = node.dependsOn.length;
    if (this.pending > 0) this.phase = "blocked";
    else engine.setArgs(this, checkInput(definition, node.args));
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
  #failed = false;
  #isCancelled = false;
  #cancelling: Promise<CancelReceipt> | undefined;

  /** Throws UsageError or CodecError when a call cannot be submitted; nothing has begun then. */
  constructor(engine: Engine, nodes: readonly Node[]) {
    this.#engine = engine;
    this.#entries = nodes.map((node) => new NodeEntry(this, engine, node));
    this.#root = this.#entries[this.#entries.length - 1] as NodeEntry;
    for (const entry of this.#entries) for (const below of entry.node.dependsOn) this.#entries[below]?.above.push(entry);
    this.future = new PromptFuture<unknown>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    }, this);
  }

  get id(): string {
    return this.#engine.idOf(this.#root);
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
    const caller = this.#engine.caller();
    for (const entry of this.#entries) this.#engine.begin(entry, caller);
    for (const entry of this.#entries) if (entry.pending === 0) this.#engine.start(entry);
  }

  cancel(reason: string | undefined): Promise<CancelReceipt> {
    this.#cancelling ??= this.#cancel(reason);
    return this.#cancelling;
  }

  async #cancel(reason: string | undefined): Promise<CancelReceipt> {
    if (this.#root.hasEnded) return this.#engine.cancelAll([], reason);
    this.#failed = true;
    this.#isCancelled = true;
    const receipt = await this.#engine.cancelAll(
      this.#entries.filter((entry) => !entry.hasEnded),
      reason,
    );
    // Only now has everything below it stopped, too.
    this.#reject?.(this.#root.result);
    return receipt;
  }

  nodeEnded(entry: NodeEntry, state: FinalState, outcome: unknown): void {
    if (entry === this.#root) return this.#rootEnded(state, outcome);
    if (state !== "done") return this.#nodeFailed(entry, outcome);
    entry.result = outcome;
    if (this.#failed) return;
    for (const above of entry.above) {
      above.pending -= 1;
      if (above.pending === 0) this.#unblock(above);
    }
  }

  #rootEnded(state: FinalState, outcome: unknown): void {
    if (state === "done") this.#resolve?.(outcome);
    else if (this.#isCancelled) this.#root.result = outcome;
    else this.#reject?.(outcome);
  }

  #unblock(entry: NodeEntry): void {
    const results = entry.node.dependsOn.map((below) => this.#entries[below]?.result);
    try {
      const args = checkInput(entry.definition, fill(entry.node.args, results));
      this.#engine.setArgs(entry, args);
    } catch (error) {
      return this.#engine.end(entry, "failed", error);
    }
    this.#engine.start(entry);
  }

  /** Every call needs its dependencies, and the root all of them: the whole fails with the one that failed by itself. */
  #nodeFailed(entry: NodeEntry, error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    const root = this.#root;
    this.#engine.end(root, "failed", dependencyFailed(root, this.id, entry, error));
    const left = this.#entries.filter((each) => !each.hasEnded);
    this.#engine.drop(left, notNeeded(root));
  }
}
