// The program that measures manyhands in one row about flows and schedules, on the store whose URL it is told.
import assert from "node:assert/strict";
import type { Hands } from "../../src/index.ts";
import { storeFolder } from "../durable/folder.ts";
import { give, told } from "../give.ts";
import { manyhands } from "../manyhands.ts";
import type { Figures } from "../row.ts";
import { median, quantile } from "../statistics.ts";
import * as tasks from "./tasks.ts";

interface Told {
  readonly work: "chord" | "future" | "chains" | "ticks";
  readonly count: number;
  readonly url?: string;
}

const { work, count, url = `sqlite:${storeFolder()}/hands.db` } = told as Told;
const { call } = manyhands;

/** Resolves when the tasks have run so often, with the time of the last run. */
function runs(wanted: number): Promise<number> {
  let seen = 0;
  return new Promise((resolve) => {
    tasks.watchRuns(() => {
      seen += 1;
      if (seen === wanted) resolve(performance.now());
    });
  });
}

async function submitAll(hands: Hands, jobs: number, options: { readonly delay?: number } = {}): Promise<void> {
  const asked = options.delay === undefined ? tasks.step : tasks.step.with({ delay: options.delay });
  for (let from = 0; from < jobs; from += 1000) {
    const size = Math.min(1000, jobs - from);
    await Promise.all(Array.from({ length: size }, (_, i) => hands.submit(asked, from + i).submitted));
  }
}

/** Drains what is queued; ms until the last job is recorded, which is when the worker has stopped. Counting would be work for the store. */
async function drain(hands: Hands, jobs: number): Promise<number> {
  const before = await hands.count({ states: ["done"] });
  const ran = runs(jobs);
  const began = performance.now();
  const worker = hands.work({ tasks: [tasks] });
  await ran;
  await worker.stop();
  const ms = performance.now() - began;
  assert.equal(await hands.count({ states: ["done"] }), before + jobs);
  return ms;
}

/** A chord: how long after its last member the join runs, and what a member costs against a plain job. */
async function chord(hands: Hands): Promise<Figures> {
  await submitAll(hands, count / 10);
  await drain(hands, count / 10);
  let began = performance.now();
  await submitAll(hands, count);
  const submittedMs = performance.now() - began;
  const plainMs = submittedMs + (await drain(hands, count));
  await hands.remove({ states: ["done"] });
  began = performance.now();
  const members = Array.from({ length: count }, (_, n) => call(tasks.step, n));
  const future = hands.submit(call(tasks.join, members));
  await future.submitted;
  const chordSubmittedMs = performance.now() - began;
  let lastMember = 0;
  let joinedAt = 0;
  tasks.watchRuns((n) => {
    if (n === -1) joinedAt = performance.now();
    else lastMember = performance.now();
  });
  began = performance.now();
  const worker = hands.work({ tasks: [tasks] });
  assert.equal(await future, count);
  const chordMs = chordSubmittedMs + (performance.now() - began);
  await worker.stop();
  return { joinMs: joinedAt - lastMember, share: (chordMs / plainMs) * 100, membersPerSecond: (count / chordMs) * 1000 };
}

const timedJobs = 8000;

/** The drain rate beside many jobs that are due in the future, against the rate without them; both in turn. */
async function future(hands: Hands): Promise<Figures> {
  const rate = async (): Promise<number> => {
    await submitAll(hands, timedJobs);
    const ms = await drain(hands, timedJobs);
    await hands.remove({ states: ["done"] });
    return (timedJobs / ms) * 1000;
  };
  await rate();
  const without = [await rate(), await rate(), await rate()];
  await submitAll(hands, count, { delay: 864e5 });
  await rate();
  const beside = [await rate(), await rate(), await rate()];
  return { share: (median(beside) / median(without)) * 100, perSecond: median(beside), alonePerSecond: median(without) };
}

/** Chains of three steps, from the first submit to the last end. */
async function chains(hands: Hands): Promise<Figures> {
  const play = async (wanted: number): Promise<number> => {
    const before = await hands.count({ states: ["done"] });
    const ran = runs(3 * wanted);
    const began = performance.now();
    for (let from = 0; from < wanted; from += 500) {
      const flows = Array.from({ length: 500 }, (_, i) => call(tasks.step, call(tasks.step, call(tasks.step, from + i))));
      await Promise.all(flows.map((flow) => hands.submit(flow).submitted));
    }
    const worker = hands.work({ tasks: [tasks] });
    await ran;
    await worker.stop();
    const ms = performance.now() - began;
    assert.equal(await hands.count({ states: ["done"] }), before + 3 * wanted);
    return ms;
  };
  await play(500);
  return { chainsPerSecond: (count / (await play(count))) * 1000 };
}

/** A schedule that ticks each second, and one-off ones at random times: how late their jobs start. */
async function ticks(hands: Hands): Promise<Figures> {
  const due = new Map<number, number>();
  const late: number[] = [];
  const all = new Promise<void>((resolve) => {
    tasks.watchRuns((n) => {
      const at = due.get(n);
      if (at !== undefined) late.push(hands.now() - at);
      if (late.length === count) resolve();
    });
  });
  await hands.work({ tasks: [tasks] }).ready;
  const begin = hands.now() + 2000;
  for (let n = 0; n < count; n++) {
    const at = begin + n * 50 + Math.random() * 50;
    due.set(n, at);
    await hands.schedule(`bench/${n}`, { at: new Date(at) }, call(tasks.step, n));
  }
  await all;
  return { p50Ms: quantile(late, 0.5), p99Ms: quantile(late, 0.99) };
}

const works = { chord, future, chains, ticks };
const hands = await manyhands.connect(url);
give(await works[work](hands));
await hands.close();
process.exit(0);
