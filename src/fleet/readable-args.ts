// What a key may read of the arguments of a job that waits for other calls: all but their results, which nobody knows yet. A key
// made of what stands in their place would be a wrong one, silently.
import { UsageError } from "../core/errors.ts";
import { fill } from "../task/call.ts";

/** Stands for the result of another call, which nobody knows yet: whatever is asked of it is refused. */
function unknownResult(where: string): object {
  const refuse = (): never => {
    throw new UsageError(
      `${where} reads an argument that is the result of another call, which is not known at submit. Give it as a text, by ` +
        "task.with(), or have the key read other arguments.",
    );
  };
  return new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse, getPrototypeOf: refuse, getOwnPropertyDescriptor: refuse });
}

/** `args` as a key may see them: at the places of results not known yet is something that refuses every question. */
export function readableArgs(args: readonly unknown[], dependencies: number, where: string): readonly unknown[] {
  if (dependencies === 0) return args;
  return fill(args, Array<object>(dependencies).fill(unknownResult(where)));
}
