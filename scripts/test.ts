// Runs the tests with Node's own runner: `npm test`, or `npm test -- test/pool` for a part. Before, it starts the servers they
// need, private ones that end with it; MANYHANDS_TEST_POSTGRES and MANYHANDS_TEST_REDIS name others to use instead.
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { startServers } from "../test/servers/start.ts";

const given = process.argv.slice(2);
const options = given.filter((argument) => argument.startsWith("-"));
const paths = given.filter((argument) => !argument.startsWith("-"));
const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
const patterns = (paths.length > 0 ? paths : ["test"]).map((path) => (isFolder(path) ? `${path}/**/*.test.ts` : path));

const servers = await startServers();
const runner = spawn(process.execPath, ["--test", "--test-concurrency=2", "--test-timeout=120000", ...options, ...patterns], {
  cwd: join(import.meta.dirname, ".."),
  stdio: "inherit",
  env: { ...process.env, ...servers.environment },
});
// Ctrl-C reaches the runner, too; its end is waited for, so that the servers are the last to go.
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => runner.kill(name));
runner.on("exit", (status, signal) => {
  if (signal) console.error(`The test runner was ended by ${signal}.`);
  void servers.close().finally(() => process.exit(status ?? 1));
});
