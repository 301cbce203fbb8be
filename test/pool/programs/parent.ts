// Keeps the processes of a pool busy, until it is killed: one in a loop, one waiting.
import { ProcessPool } from "../../../src/pool/index.ts";
import { spin, stay } from "../tasks.ts";

const [, , file = ""] = process.argv;
const pool = new ProcessPool({ size: 2 });
await Promise.all([pool.submit(spin, file), pool.submit(stay, file)]);
