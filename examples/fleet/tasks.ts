// The tasks of the fleet example: what might a portfolio be worth in a year? Each of them suits another place of a worker. Asking
// for a price mostly waits, so a worker does many at a time on its event loop; a simulation only computes, so it has a thread for
// itself; the last one joins the others' results and takes no time at all.
import { setTimeout as delay } from "node:timers/promises";
import { context, task } from "manyhands";

/** A price at the market. */
export interface Quote {
  readonly symbol: string;
  readonly price: number;
}

/** What a price may be in a year: the mean, and the price that 95 % of all cases exceed. */
export interface Forecast extends Quote {
  readonly mean: number;
  readonly low: number;
}

/** What the whole portfolio may come to. */
export interface Outlook {
  readonly forecasts: readonly Forecast[];
  readonly now: number;
  readonly mean: number;
  readonly low: number;
}

/** A number from a text, always the same one. */
function seedOf(text: string): number {
  let seed = 2166136261;
  for (const letter of text) seed = Math.imul(seed ^ (letter.codePointAt(0) ?? 0), 16777619);
  return seed >>> 0;
}

/** Random numbers from 0 to 1 which are the same for the same seed: a job that runs twice gives the same result twice. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Waits, as for a service in the network; the delay stands for it. Worth another try when it fails, and gone when cancelled. */
export const quote = task(
  "quote",
  async (symbol: string): Promise<Quote> => {
    await delay(100, undefined, { signal: context().signal });
    return { symbol, price: 10 + (seedOf(symbol) % 49_000) / 100 };
  },
  { retries: 3, timeout: "10s" },
);

/** Computes: many random years of one price. */
export const simulate = task(
  "simulate",
  ({ symbol, price }: Quote, years: number): Forecast => {
    const random = randomFrom(seedOf(symbol));
    const prices = Float64Array.from({ length: years }, () => {
      const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      return price * Math.exp(0.03 + 0.2 * normal);
    }).sort();
    const sum = prices.reduce((a, b) => a + b, 0);
    return { symbol, price, mean: sum / years, low: prices[Math.floor(years / 20)] ?? price };
  },
  { on: "thread" },
);

/** The fan-in. */
export const outlook = task("outlook", (forecasts: readonly Forecast[]): Outlook => {
  const sum = (value: (forecast: Forecast) => number): number => forecasts.reduce((total, each) => total + value(each), 0);
  return { forecasts, now: sum(({ price }) => price), mean: sum(({ mean }) => mean), low: sum(({ low }) => low) };
});
