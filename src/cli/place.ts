// Where an error comes from, in few words: a user wants the line of their own file, not a stack.
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/** `file:line` of the first place outside Node that an import's error names, or "". */
export function placeOf(error: Error): string {
  const stack = error.stack ?? "";
  const found = /^(file:\/\/\S+?|\/\S+?):(\d+)$/m.exec(stack) ?? /at .*?(file:\/\/[^\s)]+?):(\d+):\d+\)?$/m.exec(stack);
  if (found?.[1] === undefined) return "";
  const path = found[1].startsWith("file:") ? fileURLToPath(found[1]) : found[1];
  return ` at ${relative(process.cwd(), path) || path}:${found[2]}`;
}
