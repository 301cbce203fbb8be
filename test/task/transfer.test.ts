// Marks of memory to be moved: found where they are, once, and gone when the memory has moved.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { CodecError } from "../../src/core/errors.ts";
import { encode, inspect } from "../../src/task/codec.ts";
import { transfer, transfersIn } from "../../src/task/transfer.ts";

/** Sends a value as a thread pool does, and gives what arrives. */
function send(value: unknown): unknown {
  const { port1, port2 } = new MessageChannel();
  try {
    port1.postMessage(value, transfersIn(value));
    return (receiveMessageOnPort(port2) as { message: unknown }).message;
  } finally {
    port1.close();
  }
}

/** Reading anything of it fails: it shows that a value was not looked at. */
const untouchable = new Proxy([], {
  get: () => assert.fail("it was read"),
  getPrototypeOf: () => assert.fail("it was read"),
  ownKeys: () => assert.fail("it was read"),
});

test("while nothing is marked, values are not looked at", () => {
  assert.deepEqual(transfersIn([untouchable]), []);
  assert.deepEqual(transfersIn(undefined), []);
  assert.deepEqual(transfersIn(new Uint8Array(8)), []);
});

test("a marked typed array moves and is empty here", () => {
  const numbers = new Float64Array([1, 2, 3]);
  assert.equal(transfer(numbers), numbers);
  assert.deepEqual(transfersIn([numbers]), [numbers.buffer]);
  assert.equal(inspect([numbers], "args"), "plain");
  const [arrived] = send([numbers]) as [Float64Array];
  assert.deepEqual([...arrived], [1, 2, 3]);
  assert.equal(numbers.length, 0);
  assert.deepEqual(transfersIn([numbers]), []);
  assert.throws(
    () => encode([numbers], "args"),
    (error) => error instanceof CodecError && error.path === "args[0]",
  );
});

test("when all that was marked has moved, values are soon not looked at again", () => {
  send(transfer([new Uint8Array(1), new Uint8Array(2)]));
  // Whether marked memory is still here is asked once in as many calls as there were marks.
  transfersIn({});
  transfersIn({});
  assert.deepEqual(transfersIn([untouchable]), []);
});

test("marks are found in arrays, objects, Maps, Sets, and each buffer once", () => {
  const shared = new ArrayBuffer(8);
  const value = {
    views: [new Uint8Array(shared, 0, 4), new DataView(shared, 4)],
    map: new Map<unknown, unknown>([
      ["k", new Int32Array(2)],
      [new Float32Array(1), null],
    ]),
    set: new Set([{ buffer: new ArrayBuffer(1) }]),
    self: null as unknown,
  };
  value.self = value;
  transfer(transfer(value));
  const other = new Uint8Array(5);
  assert.equal(transfersIn([value, other, value]).length, 4);
  const arrived = send({ value, other }) as { value: typeof value };
  assert.equal(arrived.value.views[1]?.byteLength, 4);
  assert.equal(value.views[0]?.byteLength, 0);
  assert.equal(other.length, 5);
});

test("only what is marked moves", () => {
  const kept = new Uint8Array([1]);
  const moved = transfer(new Uint8Array([2]));
  assert.deepEqual(transfersIn([kept]), []);
  assert.deepEqual(transfersIn([kept, moved]), [moved.buffer]);
  send([kept, moved]);
  assert.equal(kept.length, 1);
  assert.equal(moved.length, 0);
});

test("marks outlast calls that do not send, however many, and end with the last buffer", () => {
  const buffers = Array.from({ length: 100 }, () => transfer(new Uint8Array(3)));
  for (let round = 0; round < 3; round++) for (const each of buffers) assert.deepEqual(transfersIn([each]), [each.buffer]);
  for (const each of buffers) send(each);
  for (const each of buffers) assert.deepEqual(transfersIn(each), []);
  for (let i = 0; i < 100; i++) transfersIn({});
  assert.deepEqual(transfersIn([untouchable]), []);
});

test("shared memory and Node's own pool are not marked; values without memory pass through", () => {
  const pooled = Buffer.from("small");
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  const value = transfer({ pooled, shared, text: "x", nothing: null, f: () => 1 });
  assert.deepEqual(transfersIn(value), []);
  assert.deepEqual([...(send(transfer(pooled)) as Uint8Array)], [...pooled]);
  assert.equal(pooled.length, 5);
  assert.equal(transfer(5), 5);
  assert.equal(transfer(undefined), undefined);
});

test("a sparse array and a deep value are no trouble", () => {
  const sparse: unknown[] = [];
  sparse[4_000_000_000] = transfer(new Uint8Array(1));
  assert.equal(transfersIn(sparse).length, 1);
  let deep: unknown = sparse;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assert.equal(transfersIn(deep).length, 1);
  send(transfersIn(sparse));
});
