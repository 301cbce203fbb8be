// Large texts as files in a folder that all programs of the fleet see. A file appears whole, under its own name, once it is on the disk: it is
// written under another name, flushed, and renamed; then the folder is flushed too.
import { mkdir, open, opendir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { StoreUnavailable, UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import type { Depot, DepotEntry } from "./depot.ts";

const pageFiles = 500;
const unfinished = ".part";

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** What is renamed or made in a folder survives the loss of power when the folder is flushed, where a system can do that. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  await using folder = await open(path, "r");
  await folder.sync();
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, "wx");
  await file.writeFile(bytes);
  await file.sync();
}

class Folder implements Depot {
  readonly place: string;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    this.place = `the folder ${root}`;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#root, name);
    try {
      await writeFlushed(path + unfinished, bytes);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await this.#makeFolder(dirname(path));
      await writeFlushed(path + unfinished, bytes);
    }
    await rename(path + unfinished, path);
    await flushFolder(dirname(path));
  }

  async read(name: string, store: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.#root, name));
    } catch (error) {
      if (!isMissing(error)) throw error;
      // A file can only be known to be gone where the folder of this store is to be seen.
      await stat(join(this.#root, store));
      return undefined;
    }
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#root, name), { force: true });
  }

  async *list(store: string): AsyncIterable<readonly DepotEntry[]> {
    let page: DepotEntry[] = [];
    for await (const { name } of await this.#open(store)) {
      const entry = await this.#entry(`${store}/${name}`);
      if (entry) page.push(entry);
      if (page.length < pageFiles) continue;
      yield page;
      page = [];
    }
    yield page;
  }

  async #open(store: string): Promise<AsyncIterable<{ readonly name: string }> | []> {
    try {
      return await opendir(join(this.#root, store));
    } catch (error) {
      if (!isMissing(error)) throw error;
      // Nothing has been written yet.
      return [];
    }
  }

  async #entry(name: string): Promise<DepotEntry | undefined> {
    try {
      return { name, writtenAt: (await stat(join(this.#root, name))).mtimeMs };
    } catch (error) {
      if (!isMissing(error)) throw error;
      // Deleted, or renamed because it is finished.
      return undefined;
    }
  }

  /** Never the root: where that is missing, a file system is not mounted. */
  async #makeFolder(path: string): Promise<void> {
    try {
      await mkdir(path);
    } catch (error) {
      if (isMissing(error))
        throw new StoreUnavailable(`There is no folder ${this.#root}. Make it, or mount it.`, { cause: error });
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    await flushFolder(this.#root);
  }
}

/** For `offload()`: files in this folder, which must exist, and be the same for all programs of the fleet. Several stores may share it. */
export function folder(path: string): Depot {
  if (typeof path === "string" && path !== "") return new Folder(resolve(path));
  throw new UsageError(`folder() takes the path of a folder, found ${show(path)}.`);
}
