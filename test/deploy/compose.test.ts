// The compose file. It is read as YAML and held against what the images and the workers need; where Docker Compose is installed,
// that reads it too (it needs no engine for this).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { toMs } from "../../src/core/durations.ts";
import { graceMs, marginMs } from "./command-line.ts";
import { readYaml, root } from "./tree.ts";

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>;
  readonly profiles?: readonly string[];
  readonly deploy?: { readonly replicas: number };
  readonly stop_grace_period?: string;
  readonly restart: string;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly volumes?: readonly string[];
  readonly ports?: unknown;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<"worker" | "app" | "postgres" | "valkey", Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const { services, volumes } = readYaml<Compose>("compose.yaml");
const { worker, app, postgres, valkey } = services;

test("two workers, which are given more time to end than they give their jobs", () => {
  assert.equal(worker.deploy?.replicas, 2);
  assert.equal(worker.restart, "unless-stopped");
  const stopMs = toMs(worker.stop_grace_period, "stop_grace_period");
  assert.ok(stopMs >= graceMs(worker.command ?? []) + marginMs, "stop_grace_period is longer than --grace");
});

test("the program and the workers have the same image and the same store", () => {
  assert.deepEqual(app.command, ["node", "examples/fleet/app.ts"]);
  assert.equal(app.image, worker.image);
  assert.deepEqual(app.environment, worker.environment);
  assert.match(worker.environment["MANYHANDS_URL"] ?? "", /^\$\{MANYHANDS_URL:-postgres:\/\/.*@postgres:5432\/manyhands\}$/);
  for (const each of [app, worker]) {
    assert.equal(each.build, ".");
    assert.equal(each.read_only, true);
    assert.deepEqual(each.cap_drop, ["ALL"]);
  }
});

test("images are pinned, and nothing is published", () => {
  for (const [name, service] of Object.entries(services)) {
    assert.match(service.image, /:(?!latest$)[\w.-]+$/, name);
    assert.equal(service.ports, undefined, name);
  }
});

test("what is waited for can be waited for", () => {
  for (const [name, { depends_on: needs = {}, profiles = [] }] of Object.entries(services)) {
    for (const [needed, { condition, required = true }] of Object.entries(needs)) {
      const service = services[needed as keyof typeof services];
      assert.equal(condition, "service_healthy", `${name} needs ${needed}`);
      assert.ok(service?.healthcheck, `${needed} has a health check`);
      const always = (service.profiles ?? []).every((profile) => profiles.includes(profile));
      assert.ok(always || !required, `${name} must not require ${needed}, which starts in a profile only`);
    }
  }
  assert.deepEqual(
    [app.profiles, valkey.profiles, worker.profiles, postgres.profiles],
    [["example"], ["redis"], undefined, undefined],
  );
});

test("the stores keep what they acknowledge, in volumes, and have time to end", () => {
  const mounts = [postgres, valkey].map(({ volumes: [mount = ""] = [] }) => mount.split(":"));
  // PostgreSQL 18 and later keep their data below this folder, and refuse one mounted at the older place.
  assert.deepEqual(mounts, [
    ["postgres", "/var/lib/postgresql"],
    ["valkey", "/data"],
  ]);
  assert.ok(Number(/^postgres:(\d+)/.exec(postgres.image)?.[1]) >= 18);
  assert.deepEqual(
    Object.keys(volumes),
    mounts.map(([name]) => name),
  );
  const option = (name: string): string | undefined => valkey.command?.[valkey.command.indexOf(name) + 1];
  assert.equal(valkey.command?.[0], "valkey-server", "the image gives up its rights only when it starts this by itself");
  assert.deepEqual(["--appendonly", "--appendfsync", "--maxmemory-policy"].map(option), ["yes", "always", "noeviction"]);
  for (const each of [postgres, valkey]) assert.ok(toMs(each.stop_grace_period, "stop_grace_period") >= 30_000);
});

test("passwords come from the environment; the default says what it is for", () => {
  const password = /^\$\{(POSTGRES|VALKEY)_PASSWORD:-development-only\}$/;
  assert.match(postgres.environment["POSTGRES_PASSWORD"] ?? "", password);
  assert.match(valkey.command?.[valkey.command.indexOf("--requirepass") + 1] ?? "", password);
});

const composes = spawnSync("docker", ["compose", "version"]).status === 0;

test("Docker Compose accepts it", { skip: !composes && "Docker Compose is not installed" }, () => {
  const args = ["compose", "--profile", "*", "--file", "compose.yaml", "config", "--quiet"];
  const { status, stderr } = spawnSync("docker", args, { cwd: root, encoding: "utf8" });
  assert.equal(status, 0, stderr);
});
