// Where the stores of a run lie: inside node_modules, so on the same disk as the project and out of git's sight. Not the
// system's folder for temporary files, which is often memory, where a sync to disk costs nothing and proves nothing.
import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { median } from "../statistics.ts";

const everyRun = fileURLToPath(new URL("../node_modules/.stores/", import.meta.url));
const variable = "MANYHANDS_BENCH_STORES";

/** A folder for all stores of this run and of the processes it starts; it is deleted when this process ends. */
export function openRunFolder(): void {
  process.env[variable] = `${everyRun}${process.pid}/`;
  // A process that was killed a moment ago may still be dying with a file open.
  process.once("exit", () => rmSync(`${everyRun}${process.pid}`, { recursive: true, force: true, maxRetries: 5 }));
}

/** A new empty folder; it is deleted when this process ends. */
export function storeFolder(): string {
  const parent = process.env[variable] ?? everyRun;
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(parent);
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The median time of a 4 KiB write with its fdatasync: what one durable commit costs at least. */
export function syncMicroseconds(): number {
  const file = openSync(`${storeFolder()}/sync`, "w");
  const page = Buffer.alloc(4096, 1);
  const times = Array.from({ length: 200 }, () => {
    const began = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    return (performance.now() - began) * 1000;
  });
  closeSync(file);
  return median(times);
}
