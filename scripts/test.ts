// Runs the tests with Node's own runner: `npm test`, or `npm test -- test/pool` for a part.
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";

const given = process.argv.slice(2);
const options = given.filter((argument) => argument.startsWith("-"));
const paths = given.filter((argument) => !argument.startsWith("-"));
const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
const patterns = (paths.length > 0 ? paths : ["test"]).map((path) => (isFolder(path) ? `${path}/**/*.test.ts` : path));

const { status, signal } = spawnSync(
  process.execPath,
  ["--test", "--test-concurrency=2", "--test-timeout=120000", ...options, ...patterns],
  { cwd: join(import.meta.dirname, ".."), stdio: "inherit" },
);
if (signal) console.error(`The test runner was ended by ${signal}.`);
process.exit(status ?? 1);
