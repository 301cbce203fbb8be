// Opening the store a command works on. A command that only looks at jobs, or changes those there are, must not make an empty
// store because it was started in the wrong folder; `memory:` lives in one program, so only `map` can use it.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { StoreError, UsageError } from "../core/errors.ts";
import { withoutPassword } from "../core/redact.ts";
import { connect, defaultUrl } from "../fleet/connect.ts";
import type { Hands } from "../fleet/hands.ts";
import type { Cli } from "./command.ts";

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

/** True when there is no such file; throws when that cannot be known, for want of permission. */
export function isMissing(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) === undefined;
}

/** Opens the store. Rejects with UsageError or StoreError. */
export async function openHands(cli: Cli, { existing = false, memory = false }: StoreNeeds = {}): Promise<Hands> {
  const url = storeUrl(cli);
  if (url.startsWith("memory:") && !memory) {
    throw new UsageError(
      'A "memory:" store ends with the program that made it, so this command finds nothing in it. Use "sqlite:path".',
    );
  }
  const file = storeFile(url);
  if (existing && file !== undefined && isMissing(file)) {
    throw new StoreError(
      `There is no store at ${file}. Name one with --store sqlite:path or MANYHANDS_URL, or change to its folder.`,
    );
  }
  return connect(url, { runtime: cli.runtime });
}
