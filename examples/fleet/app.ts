// The client of a fleet: it submits a graph of jobs, waits for the last one, prints its result and ends. It does none of the work:
// that is for the workers of the store that MANYHANDS_URL names, started with `manyhands worker examples/fleet/tasks.ts`.
// Kill it while it waits: the jobs go on, and `manyhands show <id>` has the result.
import { parseArgs } from "node:util";
import { call, connect } from "manyhands";
import { outlook, quote, simulate } from "./tasks.ts";

const { values } = parseArgs({
  options: {
    symbols: { type: "string", default: "ADA,ALAN,BARBARA,DONALD,EDSGER,FRANCES,GRACE,TONY" },
    years: { type: "string", default: "200000" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("node examples/fleet/app.ts [--symbols ADA,ALAN,...] [--years 200000 to simulate for each]");
  process.exit();
}
const symbols = values.symbols.split(",");
const years = Number(values.years);

await using hands = await connect();
const future = hands.submit(
  outlook,
  symbols.map((symbol) => call(simulate, call(quote, symbol), years)),
);
console.error(`job ${await future.submitted} and ${2 * symbols.length} below it are in the store; waiting for workers`);

const { forecasts, now, mean, low } = await future;
const line = (name: string, ...prices: number[]): string =>
  name.padEnd(10) + prices.map((price) => price.toFixed(2).padStart(12)).join("");
console.log("                   now mean in a year    low, 5 %");
for (const each of forecasts) console.log(line(each.symbol, each.price, each.mean, each.low));
console.log(line("all", now, mean, low));
