// Finding the module that defines a task: the first stack frame outside this folder.
import { pathToFileURL } from "node:url";
// As a whole, as in transfer.ts: what imports a name that an older Node does not have could not tell it that it is too old.
import util from "node:util";
import { UsageError } from "../core/errors.ts";
import { nodeIsTooOld } from "../core/node-version.ts";

const problem = nodeIsTooOld();
if (problem !== undefined) throw new UsageError(problem);

const ownFolder = new URL(".", import.meta.url).href;

/** Where the function that called `task()` stands. */
export function definingModule(): { readonly url: string; readonly line: number } | undefined {
  for (const site of util.getCallSites(8)) {
    const script = site.scriptName;
    if (!script || script.startsWith("node:")) continue;
    const url = /^[a-z]{2,}:/i.test(script) ? script : pathToFileURL(script).href;
    if (!url.startsWith(ownFolder)) return { url, line: site.lineNumber };
  }
  return undefined;
}
