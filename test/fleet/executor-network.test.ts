// The fleet on PostgreSQL and on Redis passes the executor suite, too.
import { test } from "node:test";
import { executorConformance } from "../../src/testing/executor-suite.ts";
import { networks } from "../servers/fresh.ts";
import { fleet, lastWords, noCode, noMemory } from "./placed.ts";

const places = { postgres: "thread", redis: "process" } as const;

for (const { kind, given, fresh } of networks(false)) {
  const name = `Hands on ${kind}, in ${places[kind]}s`;
  if ("skip" in given) void test(name, { skip: given.skip }, () => undefined);
  else {
    const skip = kind === "redis" ? [noMemory, noCode, lastWords] : [noMemory, noCode];
    executorConformance(name, (wish) => fleet(fresh(), places[kind], wish), { skip });
  }
}
