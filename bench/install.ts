// Brings the peers: `npm install` in this folder when one is missing. No peer's install script is run; those here need none
// (better-sqlite3 and Bun come with their binaries inside their packages). A peer that is still missing is skipped.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What there is to measure against. */
export interface Peers {
  /** Package name to version, of those installed. */
  readonly versions: ReadonlyMap<string, string>;
  /** Package name to the reason it is not there. */
  readonly missing: ReadonlyMap<string, string>;
  /** The path of Bun's program. */
  readonly bun: string | undefined;
}

const folder = fileURLToPath(new URL(".", import.meta.url));
const modules = `${folder}node_modules`;

interface Manifest {
  readonly version: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function manifest(path: string): Manifest | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Manifest) : undefined;
}

/** Bun's package holds a placeholder until its install script runs; the program itself is in the platform's package. */
function findBun(): string | undefined {
  const platforms = `${modules}/@oven`;
  if (!existsSync(platforms)) return undefined;
  const found = readdirSync(platforms).flatMap((name) => [`${platforms}/${name}/bin/bun`, `${platforms}/${name}/bin/bun.exe`]);
  return found.find((path) => existsSync(path) && spawnSync(path, ["--version"]).status === 0);
}

function look(): Omit<Peers, "bun"> {
  const wanted = Object.keys(manifest(`${folder}package.json`)?.optionalDependencies ?? {});
  const versions = new Map<string, string>();
  const missing = new Map<string, string>();
  for (const name of wanted) {
    const version = manifest(`${modules}/${name}/package.json`)?.version;
    if (version) versions.set(name, version);
    else missing.set(name, `npm could not install ${name} here`);
  }
  return { versions, missing };
}

// Not `npm ci`: that refuses a lock file in which a registry without some platform's optional package has left a gap.
// --no-save keeps it from writing to the lock file.
const installOptions = [
  "install",
  "--no-save",
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
  "--loglevel=error",
  "--fetch-retries=1",
];
const installLimitMs = 120_000;

/** Why it failed, or undefined. */
function npmInstall(): string | undefined {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const done = spawnSync(npm, installOptions, {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    timeout: installLimitMs,
  });
  if (done.error) return done.error.message;
  return done.status === 0 ? undefined : (done.stderr.split("\n")[0] ?? `exit ${done.status}`);
}

/** The peers; installs them first when any is missing and says so. */
export function findPeers(tell: (message: string) => void): Peers {
  let { versions, missing } = look();
  if (missing.size > 0) {
    tell(`installing the peers in bench/node_modules: ${[...missing.keys()].join(", ")}`);
    const failed = npmInstall();
    if (failed) tell(`npm install did not succeed (${failed}); going on with what is there`);
    ({ versions, missing } = look());
  }
  const built = existsSync(`${folder}../dist/index.js`);
  const unbuilt: [string, string][] = built ? [] : [["manyhands", "it is not built (npm run build)"]];
  return { versions, missing: new Map([...missing, ...unbuilt]), bun: findBun() };
}
