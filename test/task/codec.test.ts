// The codec value by value: what is kept, how the text looks, what is refused and at which path.
import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import vm from "node:vm";
import { CodecError, TimeoutError, WorkerDiedError } from "../../src/core/errors.ts";
import { Hole, call } from "../../src/task/call.ts";
import { decode, encode, inspect } from "../../src/task/codec.ts";
import { task } from "../../src/task/task.ts";

function roundTrip(value: unknown): unknown {
  return decode(encode(value, "args"));
}

/** The CodecError of both `encode` and `inspect`, which must agree. */
function refusal(value: unknown, where = "args"): CodecError {
  const errors = [encode, inspect].map((take) => {
    try {
      take(value, where);
    } catch (error) {
      assert.ok(error instanceof CodecError, String(error));
      return error;
    }
    return assert.fail(`${take.name} accepted it`);
  });
  assert.equal(errors[0]?.message, errors[1]?.message);
  return errors[0] as CodecError;
}

function nest(depth: number, inner: unknown, wrap: (value: unknown) => unknown = (value) => [value]): unknown {
  let value = inner;
  for (let i = 0; i < depth; i++) value = wrap(value);
  return value;
}

const sameAsClone: Readonly<Record<string, unknown>> = {
  undefined,
  null: null,
  "true and false": [true, false],
  numbers: [0, -0, 1.5, NaN, Infinity, -Infinity, Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53],
  strings: ["", "a", "\u0000", "\u2028", "é😀", "\ud800", "a\udc00b", "__proto__"],
  bigints: [0n, -1n, 2n ** 64n, 2n ** 256n, -(2n ** 256n), 2n ** 5000n, -(3n ** 2000n)],
  dates: [new Date(0), new Date(-1), new Date(8.64e15), new Date(NaN)],
  regexps: [/a/, /[\n/]/gimsuy, /(?<year>\d+)\p{L}/v, new RegExp("")],
  map: new Map<unknown, unknown>([
    ["k", 1],
    [{ object: "key" }, new Map([[NaN, undefined]])],
    [-0, "zero"],
  ]),
  set: new Set<unknown>([1, "1", undefined, new Set(), [new Set([null])]]),
  "empty ones": [[], {}, new Map(), new Set(), new Uint8Array(), new ArrayBuffer(0)],
  // oxlint-disable-next-line no-sparse-arrays -- holes are what is tested
  holes: [[, 1, , undefined, ,], Object.assign([], { length: 3 }), Object.assign([], { 5: "five" })],
  "named properties": [/b(?<x>c)/.exec("abcd"), Object.assign([1], { name: "one", ["__proto__ "]: 2 })],
  objects: { a: { b: { c: [{}] } }, "": 1, "1": 2, constructor: "x", toString: 1, hasOwnProperty: null, toJSON: 2 },
  "own __proto__": JSON.parse('{"__proto__":{"polluted":1},"a":[{"__proto__":null}]}'),
  "own __proto__ in a table": [undefined, JSON.parse('{"__proto__":{"polluted":1}}')],
  "own $manyhands": { $manyhands: 1, value: [0], nodes: [] },
  "null prototype": Object.assign(Object.create(null), { a: Object.create(null) }),
  buffer: new Uint8Array([1, 2, 3]).buffer,
  "typed arrays": [
    new Int8Array([-1]),
    new Uint8Array([1, 255]),
    new Uint8ClampedArray([300]),
    new Int16Array([-2]),
    new Uint16Array([65535]),
    new Int32Array([-3]),
    new Uint32Array([2 ** 32 - 1]),
    new Float16Array([0.5, NaN]),
    new Float32Array([1.5, -0]),
    new Float64Array([Math.PI, Infinity]),
    new BigInt64Array([-(2n ** 63n)]),
    new BigUint64Array([2n ** 64n - 1n]),
  ],
};

for (const [name, value] of Object.entries(sameAsClone)) {
  test(`kept as structured clone keeps it: ${name}`, () => {
    const expected = structuredClone(value);
    assert.deepStrictEqual(roundTrip(value), expected);
    assert.notEqual(inspect(value, "args"), "exotic");
    assert.deepStrictEqual(v8.deserialize(v8.serialize(value)), expected);
    inspect(value, "args", "process");
  });
}

test("a view over part of a buffer arrives with just its bytes", () => {
  const bytes = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const [view, data] = roundTrip([bytes.subarray(2, 5), new DataView(bytes.buffer, 4, 4)]) as [Uint8Array, DataView];
  assert.deepEqual([...view], [2, 3, 4]);
  assert.equal(view.buffer.byteLength, 3);
  assert.equal(data.byteLength, 4);
  assert.equal(data.getUint8(3), 7);
});

test("a Buffer becomes a Uint8Array, and stays clear of Node's pool", () => {
  const arrived = roundTrip({ file: Buffer.from("abc") }) as { file: Uint8Array };
  assert.equal(Object.getPrototypeOf(arrived.file), Uint8Array.prototype);
  assert.equal(arrived.file.buffer.byteLength, 3);
  assert.deepEqual([...arrived.file], [97, 98, 99]);
});

test("cycles and shared references keep their shape", () => {
  const shared = { n: 1 };
  const value: { list: unknown[]; map: Map<unknown, unknown>; self?: unknown } = { list: [shared, shared], map: new Map() };
  value.self = value;
  value.map.set(shared, value.list).set("set", new Set([value.map, shared]));
  const arrived = roundTrip(value) as typeof value;
  assert.deepStrictEqual(arrived, structuredClone(value));
  assert.equal(arrived.self, arrived);
  assert.equal(arrived.list[0], arrived.list[1]);
  assert.equal(arrived.map.get(arrived.list[0]), arrived.list);
  assert.ok((arrived.map.get("set") as Set<unknown>).has(arrived.map));
  assert.equal(inspect(value, "args"), "plain");
});

test("what is exactly JSON is plain JSON text", () => {
  for (const value of [
    null,
    true,
    1.5,
    "text",
    [],
    {},
    [{ a: [1, "x", null, { b: false }] }],
    { $other: 1 },
    [{ $manyhands: 1 }],
  ]) {
    assert.equal(encode(value, "args"), JSON.stringify(value));
  }
  const many = Array.from({ length: 1000 }, (_, i) => ({ i, at: [i] }));
  assert.equal(encode(many, "args"), JSON.stringify(many));
});

test("any other value is a table, and its format does not change by accident", () => {
  const shared = [1];
  const tables: readonly (readonly [unknown, string])[] = [
    [undefined, '{"$manyhands":1,"value":["undefined"]}'],
    [-0, '{"$manyhands":1,"value":["number","-0"]}'],
    [12n, '{"$manyhands":1,"value":["bigint","12"]}'],
    [[shared, shared], '{"$manyhands":1,"value":[0],"nodes":[["array",[[1],[1]]],["array",[1]]]}'],
    [{ at: new Date(5) }, '{"$manyhands":1,"value":[0],"nodes":[{"at":[1]},["date",5]]}'],
    [new Map([["k", /x/g]]), '{"$manyhands":1,"value":[0],"nodes":[["map",["k",[1]]],["regexp","x","g"]]}'],
    [new Set([NaN]), '{"$manyhands":1,"value":[0],"nodes":[["set",[["number","NaN"]]]]}'],
    [new Uint8Array([1, 2]), '{"$manyhands":1,"value":[0],"nodes":[["bytes","Uint8Array","AQI="]]}'],
    // oxlint-disable-next-line no-sparse-arrays -- holes are what is tested
    [[, 7], '{"$manyhands":1,"value":[0],"nodes":[["sparse",2,{"1":7}]]}'],
    [[new Hole(0)], '{"$manyhands":1,"value":[0],"nodes":[["array",[["hole",0]]]]}'],
  ];
  for (const [value, text] of tables) assert.equal(encode(value, "args"), text);
});

test("keys that need an escape are not left to JSON.parse, which mistakes them for others", () => {
  JSON.parse('[{"\\\\":1},{"a\\\\":1},{"a":1,"\\\\":2}]');
  for (const key of ["\n", '"', "\ud800", "a\n", 'a"b', "\u0000", "\\", "C:\\dir"]) {
    const named = Object.assign([1], { [key]: [key] });
    const error = Object.assign(new Error("x"), { a: 1, [key]: [1] });
    for (const value of [
      { [key]: 1 },
      { a: 1, [key]: [{ [key]: key }] },
      [named, { [key]: undefined }],
      { a: 1, [key]: [new Map([[key, key]])] },
    ]) {
      assert.deepStrictEqual(roundTrip(value), structuredClone(value));
      assert.ok(!/\\[^"]*":/.test(encode(value, "args")), encode(value, "args"));
    }
    assert.deepStrictEqual(Object.entries(roundTrip(error) as Error), Object.entries(error));
  }
  assert.equal(encode({ "\n": [1] }, "args"), '{"$manyhands":1,"value":[0],"nodes":[["object",["\\n",[1]]],["array",[1]]]}');
  assert.equal(encode({ "é😀'/": "\n" }, "args"), '{"é😀\'/":"\\n"}');
});

test("errors keep class, texts, cause and own properties", () => {
  const cause = Object.assign(new RangeError("deep"), { code: "E_DEEP", at: new Date(5) });
  for (const made of [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]) {
    const error = new made("it failed", { cause });
    const arrived = roundTrip(error) as Error;
    assert.equal(Object.getPrototypeOf(arrived), made.prototype);
    assert.deepStrictEqual(arrived, error);
    assert.equal(arrived.stack, error.stack);
    assert.deepEqual(Object.keys(arrived), []);
    assert.deepStrictEqual(arrived.cause, cause);
  }
  const all = new AggregateError([cause, 5, undefined], "all failed");
  assert.deepStrictEqual(roundTrip(all), all);
  assert.deepStrictEqual((roundTrip(all) as AggregateError).errors, [cause, 5, undefined]);
});

test("an error's cause may be anything, itself included", () => {
  const error = new Error("round");
  error.cause = { again: [error] };
  const arrived = roundTrip(error) as Error & { cause: { again: unknown[] } };
  assert.equal(arrived.cause.again[0], arrived);
  assert.ok(!Object.hasOwn(roundTrip(new Error("x")) as Error, "cause"));
  assert.ok(Object.hasOwn(roundTrip(new Error("x", { cause: undefined })) as Error, "cause"));
});

test("an error of another class becomes the nearest known one, with its name", () => {
  class HttpError extends Error {
    override name = "HttpError";
    status = 404;
  }
  class ParseError extends SyntaxError {}
  ParseError.prototype.name = "ParseError";
  const http = roundTrip(new HttpError("not found")) as HttpError;
  assert.equal(Object.getPrototypeOf(http), Error.prototype);
  assert.deepEqual([http.name, http.status, http.message], ["HttpError", 404, "not found"]);
  const parse = roundTrip(new ParseError("line 1")) as Error;
  assert.equal(Object.getPrototypeOf(parse), SyntaxError.prototype);
  assert.equal(parse.name, "ParseError");
  const aborted = roundTrip(AbortSignal.abort().reason) as Error;
  assert.ok(aborted instanceof Error);
  assert.equal(aborted.name, "AbortError");
  assert.equal(aborted.message, "This operation was aborted");
});

test("errors of manyhands arrive as instances with their fields", () => {
  for (const error of [
    new CodecError("no", "args[0].x"),
    new TimeoutError("late", 5000),
    new WorkerDiedError("gone", "signal", "SIGKILL", { cause: new Error("x") }),
    new WorkerDiedError("gone", "exit"),
  ]) {
    const arrived = roundTrip(error);
    assert.ok(arrived instanceof error.constructor);
    assert.deepStrictEqual(arrived, error);
    assert.equal(inspect([error], "args"), "exotic");
  }
});

test("a hole is filled with its result", () => {
  const text = encode([{ list: [new Hole(1), new Hole(0)] }, new Hole(1)], "args");
  const result = { sum: 6 };
  assert.deepStrictEqual(decode(text, ["first", result]), [{ list: [result, "first"] }, result]);
  assert.throws(() => decode(text, ["first"]), CodecError);
  assert.throws(() => decode(text), CodecError);
  assert.equal(inspect([new Hole(0)], "args"), "exotic");
});

test("values of another realm are values like ours", () => {
  const value: unknown = vm.runInNewContext(
    "({ list: [1, , 3], map: new Map([[1, new Set([2n])]]), at: new Date(5), re: /x/g, bytes: new Uint16Array([7]), nothing: undefined })",
  );
  const expected = {
    // oxlint-disable-next-line no-sparse-arrays -- holes are what is tested
    list: [1, , 3],
    map: new Map([[1, new Set([2n])]]),
    at: new Date(5),
    re: /x/g,
    bytes: new Uint16Array([7]),
    nothing: undefined,
  };
  assert.deepStrictEqual(roundTrip(value), expected);
  const error = roundTrip(vm.runInNewContext("new RangeError('far')")) as Error;
  assert.ok(error instanceof RangeError);
  assert.equal(error.message, "far");
});

test("non-enumerable properties stay behind; getters give their value", () => {
  const value = Object.defineProperty(
    {
      get now(): number {
        return 5;
      },
    },
    "hidden",
    { value: () => 1 },
  );
  assert.deepStrictEqual(roundTrip(value), { now: 5 });
  assert.equal(inspect(value, "args"), "plain");
});

class User {
  readonly name = "Ada";
}
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const throwing = new Proxy(
  { a: 1 },
  {
    ownKeys: () => {
      throw new RangeError("trap");
    },
  },
);
const detached = new Uint8Array(4);
structuredClone(detached.buffer, { transfer: [detached.buffer] });
const add = task("codec.test/add", (a: number, b: number) => a + b);

const refused: readonly (readonly [value: unknown, path: string, message: RegExp])[] = [
  [() => 1, "args", /^args is a function: functions cannot be sent/],
  [[{ items: [0, 1, 2, { onDone: function done() {} }] }], "args[0].items[3].onDone", /onDone is a function \(done\)/],
  [[{ map: new Map([["k", () => 1]]) }], 'args[0].map.get("k")', /is a function/],
  [
    [
      new Map<unknown, unknown>([
        [{}, 1],
        [{ x: 1 }, Symbol("s")],
      ]),
    ],
    "args[0].get(key 1)",
    /is a symbol \(Symbol\(s\)\)/,
  ],
  [[new Map([[[1, () => 1], 1]])], "args[0].keys()[0][1]", /is a function/],
  [[new Set([1, new Set([Symbol.iterator])])], "args[0].values()[1].values()[0]", /is a symbol/],
  [[{ [Symbol("tag")]: 1 }], "args[0]", /has the symbol key Symbol\(tag\)/],
  [[Object.assign([1], { [Symbol("tag")]: 1 })], "args[0]", /has the symbol key Symbol\(tag\)/],
  [[{ user: new User() }], "args[0].user", /is an instance of User: class instances cannot be sent. Send a plain object/],
  [[new (class extends Map {})()], "args[0]", /is an instance of an unnamed class/],
  [[new (class List extends Array {})()], "args[0]", /is an instance of List/],
  [[new (class Bytes extends Uint8Array {})(1)], "args[0]", /is an instance of Bytes/],
  [[Object.create({ inherited: 1 })], "args[0]", /is an instance of Object/],
  [[Object(1), 2], "args[0]", /is an instance of Number.*valueOf/],
  [[Promise.resolve(1)], "args[0]", /is an instance of Promise.*Await it first/],
  [[{ "a b": [new WeakMap()] }], 'args[0]["a b"][0]', /is an instance of WeakMap/],
  [[new URL("http://localhost/")], "args[0]", /is an instance of URL.*\.href/],
  [[(function* () {})()], "args[0]", /is an instance of/],
  [[new Proxy(new Map(), {})], "args[0]", /is an instance of Map seen through a Proxy/],
  [
    [
      {
        get now(): never {
          throw new TypeError("broken");
        },
      },
    ],
    "args[0].now",
    /cannot be read: TypeError: broken/,
  ],
  [[{ p: throwing }], "args[0].p", /cannot be read: RangeError: trap/],
  [[revoked.proxy], "args[0]", /cannot be read: TypeError/],
  [[new Error("x", { cause: { f() {} } })], "args[0].cause.f", /is a function/],
  [[Object.assign(new Error("x"), { socket: new User() })], "args[0].socket", /is an instance of User/],
  [[new AggregateError([new Error("a", { cause: () => 1 })])], "args[0].errors[0].cause", /is a function/],
  [[detached], "args[0]", /has no bytes any more: its ArrayBuffer was transferred/],
  [[add], "args[0]", /is a task \("codec.test\/add"\).*call\(task/],
  [[[call(add, 1, 2)]], "args[0][0]", /is a call, which is not a value/],
  [Object.assign([1, 2], { extra: () => 1 }), "args.extra", /is a function/],
  [[Object.assign([], { 4000000000: () => 1 })], "args[0][4000000000]", /is a function/],
];

for (const [value, path, message] of refused) {
  test(`refused: ${path} ${message.source}`, () => {
    const error = refusal(value);
    assert.equal(error.path, path);
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(`${path} `), error.message);
    assert.ok(refusal([[], value], "result").path.startsWith(`result[1]${path.slice(4)}`));
  });
}

test("a getter's error is the cause", () => {
  const boom = new TypeError("boom");
  const error = refusal(
    {
      get x(): never {
        throw boom;
      },
    },
    "result",
  );
  assert.equal(error.cause, boom);
});

test("shared memory: by reference to threads, refused for processes and in text", () => {
  const memory = new SharedArrayBuffer(8);
  for (const value of [[{ memory }], [{ memory: new Int32Array(memory) }]]) {
    assert.equal(inspect(value, "args"), "plain");
    for (const take of [() => encode(value, "args"), () => inspect(value, "args", "process")]) {
      assert.throws(take, (error) => {
        assert.ok(error instanceof CodecError);
        assert.equal(error.path, "args[0].memory");
        assert.match(error.message, /cannot leave this process.*ThreadPool.*\.slice\(\)/);
        return true;
      });
    }
  }
});

test("inspect sorts values by how they may travel", () => {
  for (const value of [undefined, null, 1, "x", 5n, true]) assert.equal(inspect(value, "args"), "primitive");
  const exotic = [new Error("x"), new Hole(0), new Proxy({ a: 1 }, {}), new Proxy([1], {}), nest(300, 1)];
  const resizable = new ArrayBuffer(4, { maxByteLength: 8 });
  for (const value of [...exotic, resizable, new Uint8Array(resizable)]) {
    assert.equal(inspect(value, "args"), "exotic");
    assert.equal(inspect([{ value }], "args"), "exotic");
    decode(encode([{ value }], "args"), [1]);
  }
  assert.equal(inspect([Buffer.from("x")], "args"), "plain");
  assert.equal(inspect([Buffer.from("x")], "args", "process"), "exotic");
  const knot: unknown[] = [];
  knot.push(knot, knot);
  assert.equal(inspect(knot, "args"), "plain");
  // Without memory of what it met, a walk of this would take 2^60 steps.
  assert.equal(
    inspect(
      nest(60, 1, (value) => [value, value]),
      "args",
    ),
    "plain",
  );
});

test("a plain value survives structured clone, at any depth called plain", () => {
  const deepest = nest(199, {}, (value) => ({ value }));
  assert.equal(inspect(deepest, "args"), "plain");
  assert.deepStrictEqual(structuredClone(deepest), roundTrip(deepest));
  assert.equal(inspect({ deepest }, "args"), "exotic");
});

test("a resizable buffer arrives with a fixed length, and a Proxy as what it shows", () => {
  const arrived = roundTrip(new ArrayBuffer(4, { maxByteLength: 8 })) as ArrayBuffer;
  assert.equal(arrived.byteLength, 4);
  assert.equal(arrived.resizable, false);
  assert.deepStrictEqual(roundTrip([new Proxy({ a: 1 }, { get: () => 2 }), new Proxy([1], {})]), [{ a: 2 }, [1]]);
});

test("10,000 levels may nest, one more is refused, also from a stack that is nearly full", () => {
  for (const wrap of [(value: unknown) => [value], (value: unknown) => ({ value }), (value: unknown) => new Set([value])]) {
    const deepest = nest(10_000, 1, wrap);
    const text = encode(deepest, "args");
    assert.equal(encode(decode(text), "args"), text);
    assert.equal(inspect(deepest, "args"), "exotic");
    const error = refusal(nest(10_001, 1, wrap));
    assert.match(error.message, /is nested more than 10000 deep/);
    assert.ok(error.message.length < 1000);
  }
  const recurse = (depth: number): unknown => {
    try {
      return recurse(depth + 1);
    } catch {
      return roundTrip(nest(5000, 1));
    }
  };
  assert.ok(Array.isArray(recurse(0)));
});

test("size is limited, measured on the text, and refused with what to do", () => {
  assert.equal(encode("x".repeat(98), "args", 100).length, 100);
  for (const value of [
    "x".repeat(99),
    "é".repeat(50),
    [undefined, "x".repeat(99)],
    [new Uint8Array(100)],
    Array.from({ length: 200 }, () => -0),
  ]) {
    assert.throws(() => encode(value, "args", 100), {
      name: "CodecError",
      path: "args",
      message: /^args encodes to .*, over the limit of 100 bytes\. Send less: /,
    });
  }
  const large = { bytes: new Uint8Array(14 * 1024 * 1024) };
  assert.throws(() => encode([large], "args"), /^CodecError: args encodes to more than 18\.7 MiB, over the limit of 16\.0 MiB/);
  assert.equal(inspect([large], "args"), "plain");
  assert.equal(encode([large], "args", Infinity).length > 18e6, true);
});

test("an endless value of getters is refused, not followed for ever", () => {
  const endless = (): object => ({
    get left(): object {
      return endless();
    },
    get right(): object {
      return endless();
    },
  });
  assert.throws(() => encode(endless(), "args", 100_000), CodecError);
});

test("encode leaves what it encodes alone", () => {
  const value = Object.freeze({ list: Object.freeze([undefined, Object.freeze(new Map([[1, Object.freeze([])]]))]) });
  assert.deepStrictEqual(roundTrip(value), { list: [undefined, new Map([[1, []]])] });
  const limit = Error.stackTraceLimit;
  roundTrip([new Error("x")]);
  assert.equal(Error.stackTraceLimit, limit);
});
