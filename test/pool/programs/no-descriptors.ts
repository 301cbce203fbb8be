// Starts a process while the program has no descriptor left, then, when it has, another.
import { closeSync, openSync } from "node:fs";
import { ProcessPool } from "../../../src/pool/index.ts";
import { double } from "../tasks.ts";

const open: number[] = [];
try {
  for (;;) open.push(openSync(process.execPath, "r"));
} catch (error) {
  if ((error as { code?: unknown }).code !== "EMFILE") throw error;
}
await using pool = new ProcessPool({ size: 1 });
const failure = await pool.submit(double, 1).catch((error: unknown) => error as Error & { readonly code: string });
for (const descriptor of open) closeSync(descriptor);
console.log(typeof failure === "number" ? failure : `${failure.code}: ${failure.message}`);
console.log(await pool.submit(double, 4));
