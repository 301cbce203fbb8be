// The fleet passes the executor suite, with its tasks in threads and in processes of a worker in this program.
import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { executorConformance } from "../../src/testing/executor-suite.ts";
import { fleet, lastWords, noCode, noMemory } from "./placed.ts";

const folder = mkdtempSync(join(tmpdir(), "manyhands-fleet-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

executorConformance("Hands on memory, in threads", (wish) => fleet("memory:", "thread", wish), { skip: [noMemory, noCode] });
executorConformance(
  "Hands on SQLite, in processes",
  (wish) => fleet(`sqlite:${join(folder, `${files++}.db`)}`, "process", wish),
  { skip: [noMemory, noCode, lastWords] },
);
