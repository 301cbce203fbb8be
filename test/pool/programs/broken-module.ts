// A module of tasks that cannot be imported in a worker; how, is in the environment that the worker gets.
import { isMainThread } from "node:worker_threads";
import { task } from "../../../src/index.ts";

const isWorker = !isMainThread || process.env["BROKEN_IN"] === "process";
if (isWorker && process.env["BROKEN"] === "throws") throw new RangeError("this module is broken");
if (isWorker && process.env["BROKEN"] === "exits") process.exit(9);

export const broken = task("broken.task", (n: number) => n);
export const others = isWorker ? undefined : task("broken.hidden", (n: number) => n);
