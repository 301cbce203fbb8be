// The futures of pools. A pool knows a call's end whether anyone asks or not, so its futures need not hear who waits, and may be
// what the engine takes for an ordinary promise: it asks for `constructor`, and where that is not Promise itself, each `then`
// and each `await` takes a path that costs more than all else in a submit. They are still instances of Future.
import { Future } from "./future.ts";

export class PromptFuture<Result> extends Future<Result> {}

void Object.defineProperty(PromptFuture.prototype, "constructor", { value: Promise, writable: true, configurable: true });
