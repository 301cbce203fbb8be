// The schedules of a store go with its jobs, and go on where they were: ticks that nobody fired meanwhile are missed ticks. One that
// the destination has already stays as it is there: it may have gone on since it was copied.
import { readAll } from "../../fleet/schedules/ledger.ts";
import { recordName } from "../../fleet/schedules/record.ts";
import type { Store } from "../../store/store.ts";

/** Copies schedules; gives how many the destination did not have. */
export async function copySchedules(source: Store, destination: Store): Promise<number> {
  let copied = 0;
  for (const { name, text } of await readAll(source)) {
    const record = { name: recordName(name), from: null, to: text };
    if ((await destination.addIf(record, [], destination.now())) !== null) copied += 1;
  }
  return copied;
}
