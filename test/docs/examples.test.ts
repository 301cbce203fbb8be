// Every example of the guide and the README is compiled with tsc and run by Node as a user's program: a project of its own for
// each page, which finds manyhands in its node_modules. See blocks.ts for how a block is marked.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { blocksOf } from "./blocks.ts";
import type { Block } from "./blocks.ts";

const root = resolve(import.meta.dirname, "../..");
const guide = join(root, "docs", "guide");
const pages = [join(root, "README.md"), ...readdirSync(guide).map((name) => join(guide, name))].filter(
  (page) => page.endsWith(".md") && existsSync(page),
);

const home = mkdtempSync(join(tmpdir(), "manyhands-docs-"));
after(() => rmSync(home, { recursive: true, force: true }));

const compilerOptions = {
  target: "es2024",
  lib: ["es2024", "esnext.disposable"],
  module: "nodenext",
  moduleDetection: "force",
  types: ["node"],
  typeRoots: [join(root, "node_modules", "@types")],
  strict: true,
  exactOptionalPropertyTypes: true,
  erasableSyntaxOnly: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  noEmit: true,
};

/** Makes the project of a page: its modules, and manyhands installed as a link to this repository. */
function makeProject(page: string, blocks: readonly Block[]): string {
  const folder = join(home, basename(page, ".md"));
  const bin = join(folder, "node_modules", ".bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(root, join(folder, "node_modules", "manyhands"), "dir");
  symlinkSync("../manyhands/dist/cli/main.js", join(bin, "manyhands"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: basename(folder), private: true, type: "module" }));
  for (const block of blocks.filter(({ kind }) => kind === "ts")) {
    const path = join(folder, block.file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, block.text);
  }
  return folder;
}

interface Ran {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, and ends whatever it has started and left running. */
async function run(command: string, args: readonly string[], cwd: string): Promise<Ran> {
  const path = [join(cwd, "node_modules", ".bin"), dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter);
  const { MANYHANDS_URL: _url, NODE_TEST_CONTEXT: _context, ...rest } = process.env;
  const env = { ...rest, PATH: path, NO_COLOR: "1" };
  // A group of its own, so that the group can be ended as a whole.
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const endGroup = (): void => {
    try {
      process.kill(-(child.pid as number), "SIGKILL");
    } catch {
      // Nothing of the group is left: the usual case.
    }
  };
  const tooLong = setTimeout(endGroup, 60_000);
  child.on("exit", endGroup);
  const ended = once(child, "close") as Promise<[number | null, string | null]>;
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  clearTimeout(tooLong);
  return { code: code ?? signal, stdout, stderr };
}

function runBlock(block: Block, folder: string): Promise<Ran> {
  if (block.kind === "ts") return run(process.execPath, [block.file], folder);
  return run("sh", ["-e", "-c", block.text], folder);
}

const projects = pages.map((page) => {
  const blocks = blocksOf(readFileSync(page, "utf8"));
  return { page, blocks, folder: makeProject(page, blocks) };
});

test("the examples compile", async () => {
  const include = projects.map(({ folder }) => `${basename(folder)}/**/*.ts`);
  writeFileSync(join(home, "tsconfig.json"), JSON.stringify({ compilerOptions, include, exclude: ["**/node_modules"] }));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { code, stdout } = await run(process.execPath, [tsc, "--pretty", "false", "-p", home], home);
  assert.equal(code, 0, stdout);
});

for (const { page, blocks, folder } of projects) {
  test(`the examples of ${basename(page)} run`, async () => {
    let printed = "";
    for (const block of blocks) {
      const place = `${basename(page)}, line ${block.line}`;
      if (block.kind === "output") {
        assert.equal(printed, block.text, `${place}: printed something else`);
      } else if (block.run) {
        const { code, stdout, stderr } = await runBlock(block, folder);
        assert.equal(code, 0, `${place} (${block.file}) failed:\n${stderr}${stdout}`);
        printed = stdout;
      }
    }
  });
}
