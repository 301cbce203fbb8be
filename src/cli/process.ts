// Whether another process of this machine still lives.

/** True when no process has this id. One that belongs to another user lives. */
export function isDead(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
