// A worker in a process of its own, the same program for every contender. It works when asked to, and tells its parent which
// jobs have started.
import { setTimeout as wait } from "node:timers/promises";
import { told } from "../give.ts";
import type { Contender, Fleet, Run } from "./contract.ts";
import { openFleet } from "./open.ts";

/** What its jobs do: "echo" returns { n }; "stamp" too, and tells at once when it started; "hold" never ends. */
export type Behaviour = "echo" | "stamp" | "hold";

/** What it is asked; each is answered. "cpu" is its share of a core, in percent, over the next seconds. */
export type Question = { readonly ask: "work" | "stop" } | { readonly ask: "cpu"; readonly seconds: number };

/** Jobs that have started; `atNs` is when, on the clock that all processes of a machine share. */
export interface Started {
  readonly starts: readonly number[];
  readonly atNs: string;
}

/** What it tells its parent. */
export type Said = Started | { readonly answer: number };

const gatherMs = 5;

function say(said: Said): void {
  process.send?.(said);
}

function now(): string {
  return String(process.hrtime.bigint());
}

let gathered: number[] = [];

/** A message for each no-op would cost more than the no-op. */
function tellSoon(n: number): void {
  gathered.push(n);
  if (gathered.length > 1) return;
  setTimeout(() => {
    say({ starts: gathered, atNs: now() });
    gathered = [];
  }, gatherMs);
}

const behaviours: Readonly<Record<Behaviour, Run>> = {
  echo: (n) => {
    tellSoon(n);
    return { n };
  },
  stamp: (n) => {
    const atNs = now();
    setImmediate(() => say({ starts: [n], atNs }));
    return { n };
  },
  hold: (n) => {
    say({ starts: [n], atNs: now() });
    return new Promise<never>(() => undefined);
  },
};

async function cpuPercent(seconds: number): Promise<number> {
  const before = process.cpuUsage();
  const began = performance.now();
  await wait(seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 10 / (performance.now() - began);
}

const { behaviour, ...contender } = told as Contender & { readonly behaviour: Behaviour };
const fleet = await openFleet(contender);
let working: ReturnType<Fleet["work"]> | undefined;

async function answer(question: Question): Promise<number> {
  if (question.ask === "cpu") return cpuPercent(question.seconds);
  if (question.ask === "work") await (working = fleet.work(behaviours[behaviour]));
  // It may be asked to stop while it is still starting.
  else await (await working)?.stop();
  return 0;
}

process.on("message", (question: Question) => void answer(question).then((found) => say({ answer: found })));
// A contender's connections would keep it alive after its parent.
process.on("disconnect", () => process.exit(0));
say({ answer: 0 });
