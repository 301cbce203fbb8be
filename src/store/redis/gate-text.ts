// Gates in the texts jobs are kept as; see `lua/gates.ts`.
import type { Gate } from "../job.ts";
import { escape, numberOf, separator, textOf, toField } from "./field.ts";

/** The name of a gate as a part of a field. */
export function gateName(name: string): string {
  return toField(name).replaceAll("\u001c", `${escape}5`).replaceAll("\u001d", `${escape}6`).replaceAll("\u001e", `${escape}7`);
}

/** A gate's name from a part of a field. */
export function gateNameOf(part: string): string {
  return textOf(part.replaceAll(`${escape}5`, "\u001c").replaceAll(`${escape}6`, "\u001d").replaceAll(`${escape}7`, "\u001e"));
}

/** Gates as a part of a field; each begins with the character 29. */
export function gatesPart(gates: readonly Gate[]): string {
  const parts = gates.map(({ name, room, everyMs, until }) =>
    [gateName(name), room, everyMs ?? "", until === "started" ? "s" : "e"].join("\u001e"),
  );
  return parts.map((part) => `\u001d${part}`).join("");
}

/** Which gates a job has, as its record says it: none, one until its start or its end, or several. */
export function gatesMark([gate, ...others]: readonly Gate[]): string {
  if (!gate) return "";
  if (others.length > 0) return "G";
  return gate.until === "started" ? "h" : "g";
}

/** Gates from such a part. */
export function gatesOf(field: string | undefined = ""): Gate[] {
  return field
    .split("\u001d")
    .slice(1)
    .map((part) => {
      const [name = "", room, everyMs, until] = part.split("\u001e");
      return {
        name: gateNameOf(name),
        room: Number(room),
        everyMs: numberOf(everyMs),
        until: until === "s" ? "started" : "stopped",
      };
    });
}

/** At how many gates a job has a place, by its record. */
export function placesIn(record: string): number {
  const [care = ""] = record.split(separator, 3).slice(2);
  return (care.split("\u001e", 1)[0] ?? "").replaceAll("\u001c", "\u001d").split("\u001d").length - 1;
}
