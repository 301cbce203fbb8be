// Gates as people see them.
import type { StoredGate } from "../store.ts";
import type { Session } from "./connection.ts";
import type { Ground } from "./ground.ts";

/** See `Store.gates`. */
export async function gates(_ground: Ground, _session: Session, _names: readonly string[]): Promise<StoredGate[]> {
  return [];
}
