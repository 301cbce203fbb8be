// Runs an example as a user would: as a program of its own.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";

const root = resolve(import.meta.dirname, "../..");

/** What a program left behind. */
export interface Ran {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** The path of an example's program. */
export function programOf(name: string): string {
  return join(root, "examples", `${name}.ts`);
}

/** Runs `examples/<name>.ts` in `cwd` and waits for its end. */
export function runExample(name: string, args: readonly string[], cwd: string = root): Promise<Ran> {
  const { NODE_TEST_CONTEXT: _context, MANYHANDS_URL: _url, ...env } = process.env;
  return new Promise((settle) => {
    execFile(
      process.execPath,
      [programOf(name), ...args],
      { cwd, env, timeout: 100_000, maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        settle({ code: error ? (error.code ?? error.signal ?? "unknown") : 0, stdout, stderr });
      },
    );
  });
}

/** A folder that is gone when the test has ended. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "manyhands-example-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
