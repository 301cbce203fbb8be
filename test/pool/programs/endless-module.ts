// A module of tasks whose import never ends in a worker. It says in a file that it has begun.
import { appendFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { task } from "../../../src/index.ts";

const file = process.env["ENDLESS_IN"];
if (!isMainThread && file) {
  appendFileSync(file, "importing\n");
  await new Promise(() => undefined);
}
export const endless = task("endless.task", (n: number) => n);
