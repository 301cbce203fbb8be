// Opening the store a command works on. A command that only looks at jobs, or changes those there are, must not make an empty
// store because it was started in the wrong folder or its URL was mistyped; `memory:` lives in one program, so only `map` can use it.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { StoreError, UsageError } from "../core/errors.ts";
import { withoutPassword } from "../core/redact.ts";
import type { Runtime } from "../core/runtime.ts";
import { connect, defaultUrl } from "../fleet/connect.ts";
import type { Hands } from "../fleet/hands.ts";
import type { Cli } from "./command.ts";
import { loadUse } from "./module.ts";

/** What a command needs of its store. */
export interface StoreNeeds {
  /** The store must exist already. */
  readonly existing?: boolean;
  /** A store that ends with this program will do. */
  readonly memory?: boolean;
}

/** The URL of the store: --store, MANYHANDS_URL, or the default. */
export function storeUrl({ store }: Pick<Cli, "store">): string {
  return store ?? process.env["MANYHANDS_URL"] ?? defaultUrl;
}

/** The same for people and logs: without a password. */
export function shownStore(cli: Pick<Cli, "store">): string {
  return withoutPassword(storeUrl(cli));
}

/** The absolute path of a SQLite store, or undefined for another kind. */
export function storeFile(url: string): string | undefined {
  const path = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url)?.[1];
  return path === undefined ? undefined : resolve(path);
}

/** True when there is a store at this URL. Makes nothing. Rejects when that cannot be known. */
export async function isThere(url: string, runtime: Runtime): Promise<boolean> {
  const file = storeFile(url);
  if (file !== undefined) return statSync(file, { throwIfNoEntry: false }) !== undefined;
  if (/^postgres(ql)?:/.test(url)) return (await import("../store/postgres/there.ts")).isPostgresStore(url, runtime);
  if (/^(redis|valkey)s?:/.test(url)) return (await import("../store/redis/there.ts")).isRedisStore(url, runtime);
  // Opening says what is wrong with any other.
  return true;
}

/** Where a store is, for people: the absolute path of a SQLite store, else the URL without a password. */
export function placeShown(url: string): string {
  return storeFile(url) ?? withoutPassword(url);
}

/** Opens the store. Rejects with UsageError or StoreError. */
export async function openHands(cli: Cli, { existing = false, memory = false }: StoreNeeds = {}): Promise<Hands> {
  const url = storeUrl(cli);
  if (url.startsWith("memory:") && !memory) {
    throw new UsageError(
      'A "memory:" store ends with the program that made it, so this command finds nothing in it. Use "sqlite:path".',
    );
  }
  if (existing && !(await isThere(url, cli.runtime))) {
    const remedy = "Name one with --store or MANYHANDS_URL, or change to its folder";
    throw new StoreError(`There is no store at ${placeShown(url)}. ${remedy}.`);
  }
  return connect(url, { runtime: cli.runtime, ...(cli.use !== undefined && { use: await loadUse(cli, cli.use) }) });
}
