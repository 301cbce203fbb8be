// Finding the module that defines a task: the first stack frame outside this folder.
import { pathToFileURL } from "node:url";
import { getCallSites } from "node:util";

const ownFolder = new URL(".", import.meta.url).href;

/** Where the function that called `task()` stands. */
export function definingModule(): { readonly url: string; readonly line: number } | undefined {
  for (const site of getCallSites(8)) {
    const script = site.scriptName;
    if (!script || script.startsWith("node:")) continue;
    const url = /^[a-z]{2,}:/i.test(script) ? script : pathToFileURL(script).href;
    if (!url.startsWith(ownFolder)) return { url, line: site.lineNumber };
  }
  return undefined;
}
