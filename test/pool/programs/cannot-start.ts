// Uses a pool whose processes end as soon as they start, each with a line in a file, and does not close it.
import { ProcessPool } from "../../../src/pool/index.ts";
import { double } from "../tasks.ts";

const source = `import { appendFileSync } from "node:fs"; appendFileSync(${JSON.stringify(process.argv[2])}, "\\n"); process.exit(3)`;
const pool = new ProcessPool({ size: 2, execArgv: ["--import", `data:text/javascript,${encodeURIComponent(source)}`] });
const say = (error: unknown): void => console.log(`${(error as { code: string }).code}: ${(error as Error).message}`);
async function* inputs(): AsyncGenerator<number> {
  yield await Promise.resolve(1);
}

await pool.submit(double, 1).catch(say);
await pool.map(double, [1, 2, 3]).catch(say);
await pool.map(double, inputs()).catch(say);
await pool.submit(double.with({ delay: 10 }), 1).catch(say);
