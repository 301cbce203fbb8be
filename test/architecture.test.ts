// The layers of ARCHITECTURE.md, held by reading every import: arrows point down only, stores and pools do not know each
// other, and nothing but core touches the clock, randomness, ids or timers.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { test } from "node:test";

const src = resolve(import.meta.dirname, "../src");
const below: Readonly<Record<string, readonly string[]>> = {
  core: [],
  task: ["core"],
  pool: ["core", "task"],
  store: ["core", "task"],
  fleet: ["core", "task", "pool", "store"],
  testing: ["core", "task", "pool", "store", "fleet"],
  cli: ["core", "task", "pool", "store", "fleet"],
};

const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => join(entry.parentPath, entry.name));

const layerOf = (file: string): string => relative(src, file).split(sep)[0] ?? "";

function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) => match[1] as string);
  return found.map((path) => resolve(dirname(file), path));
}

test("arrows point down only", () => {
  const wrong: string[] = [];
  for (const file of files) {
    const layer = layerOf(file);
    if (layer === "index.ts") continue;
    for (const imported of importsOf(file)) {
      const target = layerOf(imported);
      if (target !== layer && !below[layer]?.includes(target))
        wrong.push(`${relative(src, file)} imports ${relative(src, imported)}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every folder of src is a layer", () => {
  assert.deepEqual(
    [...new Set(files.map(layerOf))].filter((layer) => layer !== "index.ts" && !(layer in below)),
    [],
  );
});

test("only core touches the clock, randomness, ids and timers", () => {
  const door =
    /Date\.now\(|Math\.random\(|randomUUID\(|randomBytes\(|[^.\w]set(?:Timeout|Interval|Immediate)\(|performance\.now\(|node:timers/;
  // The tasks of the executor suite stand for users' tasks, which wait as they like.
  const isUsers = (file: string): boolean => file.endsWith(join("executor-suite", "tasks.ts"));
  const wrong = files.filter((file) => layerOf(file) !== "core" && !isUsers(file) && door.test(readFileSync(file, "utf8")));
  assert.deepEqual(
    wrong.map((file) => relative(src, file)),
    [],
  );
});

test("no file has a name that says nothing", () => {
  const empty = /(^|\/)(utils?|helpers?|common|misc|lib|types|interfaces)(\/|\.ts$)|manager/i;
  assert.deepEqual(
    files.map((file) => relative(src, file)).filter((file) => empty.test(file)),
    [],
  );
});
