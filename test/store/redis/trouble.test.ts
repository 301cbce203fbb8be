// What errors mean.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreError, tooLargeCode } from "../../../src/core/errors.ts";
import { refusalOf } from "../../../src/store/redis/trouble.ts";

test("what is too large to be sent is refused, not tried for ever", () => {
  let error: unknown;
  try {
    "x".repeat(2 ** 29).concat("x".repeat(2 ** 29));
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof RangeError);
  const refusal = refusalOf(error);
  assert.ok(refusal instanceof StoreError && /too large to be sent/u.test(refusal.message));
  const limit = Object.assign(new Error("ERR Protocol error: invalid bulk length"), { name: "ReplyError" });
  for (const each of [refusal, refusalOf(limit)]) assert.equal((each as StoreError).code, tooLargeCode);
});

test("a sentence ends with one period", () => {
  const refusal = refusalOf(Object.assign(new Error("ERR Something is wrong."), { name: "ReplyError" }));
  assert.ok(refusal instanceof StoreError);
  assert.equal(refusal.message, "The Redis server refused an operation: ERR Something is wrong.");
});

test("an error does not hold what was asked", () => {
  const error = Object.assign(new Error("ERR no"), { name: "ReplyError", command: { name: "evalsha", args: ["secret"] } });
  const refusal = refusalOf(error);
  assert.ok(refusal instanceof StoreError && !("command" in (refusal.cause as object)));
});
