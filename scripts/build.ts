// Builds src into dist with tsc, removes what no source stands behind any more, and makes the command executable.
// dist is never emptied: programs and tests may be running from it.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

for (const entry of readdirSync(join(root, "dist"), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const built = join(entry.parentPath, entry.name);
  const source = built.replace(join(root, "dist"), join(root, "src")).replace(/\.(d\.ts|js)$/, ".ts");
  if (!existsSync(source)) rmSync(built);
}
chmodSync(join(root, "dist", "cli", "main.js"), 0o755);
