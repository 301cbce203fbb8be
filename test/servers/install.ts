// Puts the servers the tests need on a machine that has none: Debian's packages, where we are root.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { hasOpenssl } from "./certificates.ts";
import { hasPgBouncer } from "./pgbouncer.ts";
import { findPostgres } from "./postgres.ts";
import { findRedis } from "./redis.ts";

const policy = "/usr/sbin/policy-rc.d";

/** Debian starts what it installs, unless this file says not to. */
function withoutStarting(run: () => void): void {
  if (existsSync(policy)) return run();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    run();
  } finally {
    rmSync(policy);
  }
}

function aptGet(...args: string[]): void {
  const { status, stderr, error } = spawnSync("apt-get", ["-q", "-y", ...args], {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (status !== 0) console.error(`apt-get ${args.join(" ")} failed: ${stderr || error?.message}`);
}

/** Installs what is missing where that is possible, and says so. */
export function installServers(needs: { readonly postgres: boolean; readonly redis: boolean }): void {
  const missing = [
    ...(needs.postgres && findPostgres() === undefined ? ["postgresql"] : []),
    ...(needs.postgres && !hasPgBouncer() ? ["pgbouncer"] : []),
    ...(needs.redis && findRedis() === undefined ? ["redis-server"] : []),
    ...((needs.postgres || needs.redis) && !hasOpenssl() ? ["openssl"] : []),
  ];
  if (missing.length === 0 || process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return;
  console.log(`The tests need ${missing.join(" and ")}: installing with apt-get, without starting any service.`);
  withoutStarting(() => {
    aptGet("update");
    aptGet("install", "--no-install-recommends", ...missing);
  });
}
