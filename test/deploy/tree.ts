// The files for deployment, as their tests read them.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";

/** The repository. */
export const root = resolve(import.meta.dirname, "../..");

/** The text of a file of the repository. */
export function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** A file of one YAML document. Throws when it is not well-formed; `Shape` is what the test believes and then checks. */
export function readYaml<Shape>(path: string): Shape {
  return parse(read(path), { merge: true, strict: true, uniqueKeys: true }) as Shape;
}

/** The names of the files in a folder, sorted. */
export function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder)).sort();
}

/** The page that explains the files. */
export const guide = "docs/guide/deployment.md";

/** Every file for deployment. */
export const deploymentFiles: readonly string[] = [
  "Dockerfile",
  "compose.yaml",
  ...readdirSync(join(root, "deploy"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
];

/** The fenced blocks of a page in one language. */
export function blocksIn(page: string, language: string): string[] {
  return [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, name, text]) => (name === language ? [text ?? ""] : []));
}
