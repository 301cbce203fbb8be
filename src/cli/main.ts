#!/usr/bin/env node
// The command's entry. It holds nothing but the check of Node's version, and no syntax an older Node cannot parse: everything
// else is imported after the check, so that an old Node gets a plain sentence instead of a SyntaxError.
const version = process.versions.node;

if (Number(version.split(".")[0]) < 24) {
  console.error(
    `manyhands needs Node 24 or newer; this is Node ${version} (${process.execPath}). Install a current Node: https://nodejs.org`,
  );
  process.exitCode = 2;
} else {
  const { main } = await import("./program.ts");
  await main(process.argv.slice(2));
}
