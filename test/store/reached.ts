// A store reached by an unusual way (TLS, a Unix socket, a strange password) has to work with all the connections a program makes:
// for its verbs, its wake-ups and, in a thread of its own, the lease of its worker.
import assert from "node:assert/strict";
import { connect, StoreError } from "../../src/index.ts";
import type { Hands } from "../../src/index.ts";
import { Place } from "../cli/command.ts";
import type { TestContext } from "node:test";
import * as jobs from "../fixtures/jobs.ts";
import { until } from "../fixtures/support.ts";

/** A password with all that is hard in a URL. */
export const hardPassword = "p@ss:w/ö rd%?#";

/** Runs a job, and sees a worker's lease renewed; `look` is called while all connections are open. */
export async function worksEndToEnd(url: string, look?: (hands: Hands) => Promise<void>): Promise<void> {
  await using hands = await connect(url);
  const worker = hands.work({ tasks: [jobs], lease: "1s" });
  await worker.ready;
  assert.equal(await hands.submit(jobs.add, 40, 2), 42);
  const leaseUntil = async (): Promise<number> => (await hands.workers())[0]?.leaseUntil ?? 0;
  const first = await leaseUntil();
  await until("the lease is renewed by its thread", async () => (await leaseUntil()) > first);
  await look?.(hands);
}

/** The one line with which `connect` refuses a URL; it holds nothing of these secrets. */
export async function refusal(url: string, ...secrets: readonly string[]): Promise<string> {
  let opened: Hands;
  try {
    opened = await connect(url);
  } catch (error) {
    assert.ok(error instanceof StoreError, String(error));
    assertPlain(error.message, secrets);
    return error.message;
  }
  await opened.close();
  return assert.fail("it opened");
}

function assertPlain(line: string, secrets: readonly string[]): void {
  assert.ok(!line.includes("\n"), line);
  for (const secret of secrets) assert.ok(!line.includes(secret), "no secret is shown");
}

/** What the command line prints for a store it cannot open: one line, exit code 2, no stack. */
export async function refusalByCommand(t: TestContext, url: string, ...secrets: readonly string[]): Promise<string> {
  const { code, out, err } = await new Place(t).startWith({ MANYHANDS_URL: url }, "queues").ended;
  assert.deepEqual([code, out], [2, ""], err);
  const line = err.trimEnd();
  assertPlain(line, secrets);
  assert.doesNotMatch(line, /\bat .*:\d+:\d+/u);
  return line;
}
