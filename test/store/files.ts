// Folders for the files of one test file, deleted when it is over.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

const folder = mkdtempSync(join(tmpdir(), "manyhands-store-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;

/** The path of a file that does not exist, in a folder of its own that does not exist either. */
export function newPath(): string {
  count += 1;
  return join(folder, `${count}`, "hands.db");
}
