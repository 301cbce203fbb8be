// The public names, so that none comes or goes by accident.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as manyhands from "../src/index.ts";
import * as pool from "../src/pool/index.ts";
import * as testing from "../src/testing/index.ts";

test("the names of manyhands", () => {
  assert.deepEqual(Object.keys(manyhands).toSorted(), [
    "CancelledError",
    "ClosedError",
    "CodecError",
    "DependencyFailedError",
    "DuplicateJobError",
    "EventsLostError",
    "ExpiredError",
    "Future",
    "ManyhandsError",
    "RestartedError",
    "SealError",
    "SnoozeError",
    "StoreError",
    "StoreLostError",
    "StoreUnavailable",
    "TimeoutError",
    "UndoError",
    "UsageError",
    "WorkerDiedError",
    "batchTask",
    "call",
    "chain",
    "chord",
    "chunks",
    "collect",
    "connect",
    "context",
    "encryption",
    "folder",
    "group",
    "offload",
    "s3",
    "skip",
    "snooze",
    "task",
    "transfer",
  ]);
});

test("the names of manyhands/pool", () => {
  assert.deepEqual(Object.keys(pool).toSorted(), ["Future", "InlinePool", "ProcessPool", "Results", "ThreadPool"]);
});

test("the names of manyhands/testing", () => {
  assert.deepEqual(Object.keys(testing).toSorted(), [
    "SimulationError",
    "TestClock",
    "executorConformance",
    "seededRandom",
    "simulate",
    "storeConformance",
  ]);
});
