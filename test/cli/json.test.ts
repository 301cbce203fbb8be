// What the command line prints as JSON for values that JSON does not know: the table of docs/guide/command-line.md, on every command.
import assert from "node:assert/strict";
import { test } from "node:test";
import { recordJson, toJson } from "../../src/cli/json.ts";
import { json, linesOf, Place } from "./command.ts";

/** The value as a task would write it, and the JSON printed for it. */
const table: readonly (readonly [source: string, printed: string])[] = [
  ["undefined", "null"],
  ["NaN", '"NaN"'],
  ["[Infinity, -Infinity, -0]", '["Infinity","-Infinity",0]'],
  ["2n ** 64n", '"18446744073709551616"'],
  ["{ a: undefined, b: [undefined, , null] }", '{"b":[null,null,null]}'],
  ["Object.assign([1], { note: 2 })", "[1]"],
  ["new Date(0)", '"1970-01-01T00:00:00.000Z"'],
  ["new Date(NaN)", '"Invalid Date"'],
  ['new Map([["a", NaN], ["__proto__", 1]])', '{"a":"NaN","__proto__":1}'],
  ["new Map([[{ a: 1 }, 2n]])", '[[{"a":1},"2"]]'],
  ["new Set([1, new Set()])", "[1,[]]"],
  ["new Float64Array([0.5, NaN])", '[0.5,"NaN"]'],
  ["new BigUint64Array([1n])", '["1"]'],
  ["new Uint8Array([1, 2]).buffer", "[1,2]"],
  ["/x/g", '"/x/g"'],
  ['new RangeError("r", { cause: 1 })', '{"name":"RangeError","message":"r"}'],
  ['Object.assign(new Error("r"), { code: "E" })', '{"name":"Error","message":"r","code":"E"}'],
  ['"\\ud800"', '"\\ud800"'],
  ["(() => { const a = {}; a.self = [a]; return a; })()", '{"self":["[circular]"]}'],
  ["(() => { const a = {}; return [a, a]; })()", "[{},{}]"],
];

const module = (library: string): string => `
import { task } from ${JSON.stringify(library)};
const makers = [${table.map(([source]) => `() => (${source})`).join(",\n")}];
export const make = task("make", (i: number): unknown => makers[i]?.());
`;

test("map, submit --wait and show print every value in its fixed form", async (t) => {
  const place = new Place(t);
  place.write("values.ts", module(new URL("../../src/index.ts", import.meta.url).href));
  const numbers = table.map((_, i) => String(i));
  const mapped = await place.run("map", "values.ts#make", "--as", "json", "--", ...numbers);
  assert.equal(mapped.code, 0, mapped.err);
  assert.deepEqual(
    linesOf(mapped.out),
    table.map(([, printed], i) => `{"input":${i},"result":${printed}}`),
  );
  const worker = place.start("worker", "values.ts");
  await worker.says("joined");
  for (const [i, [source, printed]] of table.entries()) {
    if (i % 5 > 1) continue;
    const { out } = await place.run("submit", "values.ts#make", String(i), "--wait", "--json");
    const id = String(json(out)[0]?.["id"]);
    assert.equal(out, `{"id":"${id}","result":${printed}}\n`, source);
    const shown = await place.run("show", id, "--json");
    assert.ok(shown.out.includes(`"result":${printed}`), `${source}: ${shown.out}`);
    assert.equal((await place.run("show", id)).code, 0, source);
  }
});

test("whatever is thrown has a JSON form", async (t) => {
  const place = new Place(t);
  place.write(
    "throws.ts",
    `import { task } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
    const thrown = [undefined, null, 1n, NaN, "text", new Error("")];
    export const make = task("make", (i: number) => { throw thrown[i]; });`,
  );
  const { code, out, err } = await place.run("map", "throws.ts#make", "--as", "json", "--", "0", "1", "2", "3", "4", "5");
  assert.equal(code, 1);
  assert.deepEqual(
    json(out).map(({ error }) => Object.values(error as object)),
    [
      ["NonError", "undefined"],
      ["NonError", "null"],
      ["NonError", "1n"],
      ["NonError", "NaN"],
      ["NonError", "'text'"],
      ["Error", ""],
    ],
  );
  assert.match(err, /^ {2}5: Error$/m);
});

test("a value that is too deep or too long as JSON is shortened to a text, and nothing around it", () => {
  let deep: unknown = 1n;
  for (let i = 0; i < 20_000; i++) deep = [deep];
  let wide: unknown = "x";
  for (let i = 0; i < 40; i++) wide = [wide, wide];
  const holes: number[] = [];
  holes[4_000_000_000] = 1;
  for (const value of [deep, wide, holes]) {
    const line = recordJson({ id: "1", none: undefined, value });
    const read = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual(Object.keys(read), ["id", "value"]);
    assert.match(String(read["value"]), /^\[/);
    assert.ok(line.length < 1000);
  }
  assert.equal(toJson(JSON.parse('{"__proto__":1,"u":[]}')), '{"__proto__":1,"u":[]}');
});
