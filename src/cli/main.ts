#!/usr/bin/env node
// The command's entry. It holds nothing but the check of Node's version, and no syntax an older Node cannot parse: everything
// else is imported after the check, so that an old Node gets a plain sentence instead of a SyntaxError.
import { nodeIsTooOld } from "../core/node-version.ts";

const problem = nodeIsTooOld();

if (problem !== undefined) {
  console.error(problem);
  process.exitCode = 2;
} else {
  const { main } = await import("./program.ts");
  await main(process.argv.slice(2));
}
