// What a store says of itself to people, and what it finds wrong.
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { StoreInfo } from "../store.ts";
import type { Connection } from "./connection.ts";
import type { Durability } from "./open.ts";
import { count } from "./read.ts";

const mostChecked = 512 * 2 ** 20;
const leastFree = 64 * 2 ** 20;
const largeLog = 256 * 2 ** 20;
// Types of file systems on the network, see statfs(2): NFS, SMB, SMB2, CIFS.
const networkTypes: ReadonlySet<number> = new Set([0x6969, 0x517b, 0xfe534d42, 0xff534d42]);

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function damage(db: Connection): string[] {
  const rows = db.all<{ quick_check: string }>("PRAGMA quick_check(5)");
  return rows.map(({ quick_check }) => quick_check).filter((line) => line !== "ok");
}

function surroundings(path: string): string[] {
  const problems: string[] = [];
  const disk = statfsSync(dirname(path));
  const free = disk.bavail * disk.bsize;
  const mb = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;
  if (free < leastFree) problems.push(`The disk has ${mb(free)} left; when it is full nothing can be stored. Free some space.`);
  if (networkTypes.has(disk.type)) {
    problems.push("The file is on a network file system, where SQLite's locks cannot be trusted. Put it on a local disk.");
  }
  const log = sizeOf(`${path}-wal`);
  if (log > largeLog) problems.push(`The write-ahead log has grown to ${mb(log)}: some program keeps a read open. Close it.`);
  if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) {
    problems.push("Other users can read the file, and with it all arguments and results. Take the right away with chmod 600.");
  }
  return problems;
}

/** See `Store.info`. A file of more than 512 MB is not checked for damage, which would take too long. */
export function info(db: Connection, durability: Durability, watchProblem: string | undefined): StoreInfo {
  const bytes = sizeOf(db.path);
  const logBytes = sizeOf(`${db.path}-wal`);
  const isChecked = bytes <= mostChecked;
  const pragma = (name: string): string | number =>
    Object.values(db.get<Record<string, string | number>>(`PRAGMA ${name}`) ?? {})[0] ?? "";
  const damaged = isChecked
    ? damage(db).map((line) => `The file is damaged: ${line}. Stop all programs that use it and restore a backup.`)
    : [];
  return {
    kind: "sqlite",
    location: db.path,
    engine: `SQLite ${db.get<{ version: string }>("SELECT sqlite_version() AS version")?.version ?? ""}, Node ${process.version}`,
    schema: Number(pragma("user_version")),
    jobs: count(db, {}),
    bytes: bytes + logBytes,
    problems: [...damaged, ...surroundings(db.path), ...(watchProblem === undefined ? [] : [watchProblem])],
    settings: {
      journal: pragma("journal_mode"),
      durability,
      pageBytes: pragma("page_size"),
      logBytes,
      damage: isChecked ? "checked" : "not checked: the file is large",
    },
  };
}
