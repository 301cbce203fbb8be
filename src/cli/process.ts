// Whether another process of this machine still lives. One that has ended but that no parent has collected (usual in containers
// without an init) keeps its id and answers signals; Linux tells such a zombie apart.
import { readFileSync } from "node:fs";

function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    // The state follows the command's name, which is in brackets and may hold anything.
    return /^ [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, ""));
  } catch {
    // It may have gone since, or be hidden: a signal has found it, so it counts as alive.
    return false;
  }
}

/** True when no living process has this id. One that belongs to another user lives. */
export function isDead(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
