// Uses a pool and forgets to close it.
import { ProcessPool, ThreadPool } from "../../../src/pool/index.ts";
import { double } from "../tasks.ts";

const pool = process.env["POOL"] === "process" ? new ProcessPool({ size: 2 }) : new ThreadPool({ size: 2 });
void pool.map(double, [1, 2, 3]).then((results) => console.log(results.join(" ")));
