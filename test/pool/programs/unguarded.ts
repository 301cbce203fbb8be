// A program whose tasks stand beside its start, without a guard; the argument says how it starts.
import { setTimeout as delay } from "node:timers/promises";
import { task } from "../../../src/index.ts";
import { ProcessPool, ThreadPool } from "../../../src/pool/index.ts";

export const one = task("unguarded.one", (n: number) => n + 1);
/** Still runs when the program starts itself again in the worker. */
export const long = task("unguarded.long", (n: number) => delay(60_000, n));

const how = process.env["HOW"];
const Pool = process.env["POOL"] === "process" ? ProcessPool : ThreadPool;

async function main(): Promise<void> {
  await using pool = new Pool({ size: 2 });
  if (how === "map") console.log(await pool.map(one, [1, 2, 3]));
  else console.log(await pool.submit(how === "later" ? long : one, 1));
}

if (how === "awaited" || how === "map") await main();
// As many programs start: nobody awaits it, and it begins after the import.
else if (how === "later") void delay(1).then(main);
// The error is caught, and the program ended with it.
else if (how === "caught")
  main().catch((error: unknown) => {
    console.error(`caught: ${String(error)}`);
    process.exit(1);
  });
else void main();
