// Has a thread fill its heap, and says how that ended.
import { ThreadPool } from "../../../src/pool/index.ts";
import { double, hoard } from "../tasks.ts";

await using pool = new ThreadPool({ size: 1, resourceLimits: { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 8 } });
const error = await pool.submit(hoard.with({ crashes: 0 })).catch((thrown: unknown) => thrown);
console.log(JSON.stringify({ ...(error as object), message: String(error), after: await pool.submit(double, 4) }));
