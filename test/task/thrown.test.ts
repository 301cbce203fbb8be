// Anything can be thrown: it arrives as what it was, or with what cannot be sent named in its place.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CodecError, DependencyFailedError, ManyhandsError, TimeoutError } from "../../src/core/errors.ts";
import { decodeThrown, encodeThrown } from "../../src/task/thrown.ts";

function roundTrip(thrown: unknown): unknown {
  return decodeThrown(encodeThrown(thrown));
}

function assertNamed(value: unknown, path: string, message: RegExp): void {
  assert.ok(value instanceof CodecError, String(value));
  assert.equal(value.path, path);
  assert.match(value.message, message);
}

test("values that can be sent arrive as they were", () => {
  const error = Object.assign(new TypeError("no", { cause: new RangeError("deep") }), { code: "E_NO", at: new Date(1) });
  for (const thrown of [error, "text", 5, null, undefined, -0, { code: 1 }, [new Map([[1, error]])], 12n]) {
    assert.deepStrictEqual(roundTrip(thrown), thrown);
  }
  assert.equal((roundTrip(error) as Error).stack, error.stack);
  const failed = new DependencyFailedError("call 2 failed", ["one", "two"], "id", { cause: new TimeoutError("late", 5) });
  assert.deepStrictEqual(roundTrip(failed), failed);
  assert.ok((roundTrip(failed) as Error).cause instanceof TimeoutError);
});

test("cyclic causes keep their shape", () => {
  const inner = new Error("inner");
  const outer = new AggregateError([inner], "outer", { cause: inner });
  inner.cause = outer;
  const arrived = roundTrip(outer) as AggregateError;
  assert.equal((arrived.cause as Error).cause, arrived);
  assert.equal(arrived.errors[0], arrived.cause);
});

test("what cannot be sent is named in its place, and the rest is kept", () => {
  class Socket {
    readonly open = true;
  }
  const error = Object.assign(new Error("request failed", { cause: { retry() {} } }), {
    code: "ECONNRESET",
    socket: new Socket(),
    list: [1, Symbol("s"), 3],
  });
  Object.defineProperty(error, "late", { enumerable: true, get: () => assert.fail("late") });
  const arrived = roundTrip(error) as typeof error & { late: unknown; cause: { retry: unknown } };
  assert.equal(arrived.message, "request failed");
  assert.equal(arrived.stack, error.stack);
  assert.equal(arrived.code, "ECONNRESET");
  assertNamed(arrived.socket, "thrown.socket", /is an instance of Socket/);
  assertNamed(arrived.list[1], "thrown.list[1]", /is a symbol/);
  assert.deepEqual([arrived.list[0], arrived.list[2]], [1, 3]);
  assertNamed(arrived.late, "thrown.late", /cannot be read/);
  assertNamed(arrived.cause.retry, "thrown.cause.retry", /is a function \(retry\)/);
});

const hostile = {
  get: () => {
    throw new Error("get");
  },
  getPrototypeOf: () => {
    throw new Error("getPrototypeOf");
  },
  has: () => {
    throw new Error("has");
  },
  ownKeys: () => {
    throw new Error("ownKeys");
  },
  getOwnPropertyDescriptor: () => {
    throw new Error("getOwnPropertyDescriptor");
  },
};
const revoked = Proxy.revocable(new Error("x"), {});
revoked.revoke();

test("functions, symbols, Proxies and promises become an error that names them", () => {
  assertNamed(
    roundTrip(function crash() {}),
    "thrown",
    /^thrown is a function \(crash\)/,
  );
  assertNamed(roundTrip(Symbol("stop")), "thrown", /is a symbol \(Symbol\(stop\)\)/);
  assertNamed(roundTrip(Promise.resolve()), "thrown", /is an instance of Promise/);
  assertNamed(roundTrip(new Proxy({}, hostile)), "thrown", /cannot be read/);
  assertNamed(roundTrip(new Proxy(() => 1, hostile)), "thrown", /cannot be read/);
  assertNamed(roundTrip(revoked.proxy), "thrown", /cannot be read/);
  assertNamed(roundTrip({ [Symbol("k")]: 1 }), "thrown", /has the symbol key/);
  assertNamed(roundTrip(new Uint8Array(new SharedArrayBuffer(4))), "thrown", /is shared memory/);
});

test("errors whose own parts fail are still sent", () => {
  for (const trap of Object.keys(hostile)) {
    const arrived = roundTrip(new Proxy(new Error("x"), { [trap]: hostile[trap as keyof typeof hostile] }));
    assert.ok(arrived instanceof Error, trap);
  }
  const fails = {
    get: (): never => {
      throw new Proxy(new Error(), hostile);
    },
  };
  for (const key of ["name", "message", "stack", "cause", "code"]) {
    const error = Object.defineProperty(new Error("x"), key, { ...fails, enumerable: key === "code" });
    const arrived = roundTrip(error) as Error & Record<string, unknown>;
    assert.ok(arrived instanceof Error);
    if (key === "cause" || key === "code") assertNamed(arrived[key], `thrown.${key}`, /cannot be read/);
    else assert.equal(arrived[key], `(the ${key} could not be read)`);
  }
  const odd = Object.assign(new Error("x"), { name: Symbol("n"), message: { toString: 1 }, stack: 5 });
  assert.ok(roundTrip(odd) instanceof Error);
  const unprintable = new Error("kept");
  const before = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
  Error.prepareStackTrace = () => {
    throw new Error("no stacks today");
  };
  try {
    assert.equal((roundTrip(unprintable) as Error).message, "kept");
  } finally {
    if (before) Object.defineProperty(Error, "prepareStackTrace", before);
    else Reflect.deleteProperty(Error, "prepareStackTrace");
  }
});

test("a chain of causes that is too deep is cut where it is", () => {
  let error = new Error("first");
  for (let i = 0; i < 20_000; i++) error = new Error(`after ${i}`, { cause: error });
  let arrived = roundTrip(error) as Error;
  let depth = 0;
  for (; arrived.cause instanceof Error; depth++) arrived = arrived.cause;
  assert.equal(depth, 10_000);
  assert.ok(arrived instanceof CodecError);
  assert.match(arrived.message, /nested more than 10000 deep/);
});

test("what is too large is cut down to class, name, texts and code", () => {
  const error = Object.assign(new RangeError("x".repeat(50_000)), { code: "E_BIG", data: "y".repeat(17 * 1024 * 1024) });
  const text = encodeThrown(error);
  assert.ok(text.length < 100_000);
  const arrived = decodeThrown(text) as RangeError & { code: string; data?: unknown };
  assert.ok(arrived instanceof RangeError);
  assert.match(arrived.message, /^x{10000}\.\.\. \(40000 more characters\)$/);
  assert.equal(arrived.code, "E_BIG");
  assert.equal(arrived.data, undefined);
  assertNamed(arrived.cause, "thrown", /over the limit of 16\.0 MiB/);
  assertNamed(roundTrip("z".repeat(17 * 1024 * 1024)), "thrown", /over the limit/);
  assert.ok(roundTrip(Object.assign(new Proxy(error, { getPrototypeOf: hostile.getPrototypeOf }))) instanceof Error);
});

test("a text that cannot be read becomes an error that says so", () => {
  for (const text of [
    "",
    "{",
    "undefined",
    '{"$manyhands":9}',
    '{"$manyhands":1,"value":[4]}',
    "[".repeat(50_000) + "]".repeat(50_000),
  ]) {
    const read = decodeThrown(text);
    assert.ok(read instanceof ManyhandsError);
    assert.match(read.message, /^What the task threw cannot be read\. Found /);
    assert.ok(read.cause instanceof CodecError);
  }
});
