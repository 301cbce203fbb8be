// Requirements and labels: what is refused, how they are written, who meets them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { task, UsageError } from "../../src/index.ts";
import type { Labels, Requires } from "../../src/index.ts";
import { checkLabels, lineOf, meets, nameOf, requiresOf, writeRequires } from "../../src/task/requires.ts";

const written = (requires: Requires): string => writeRequires(requires, "test");

test("equal requirements are written alike", () => {
  assert.equal(written({}), "");
  assert.equal(written({ zone: "a", gpu: true }), '{"gpu":true,"zone":"a"}');
  assert.equal(written({ memory: ">=  8GiB" }), '{"memory":">=8GiB"}');
  assert.equal(written({ zone: ["b", "a", "b"] }), '{"zone":["a","b"]}');
  assert.equal(written({ zone: ["a"] }), written({ zone: "a" }));
});

test("a line is the name and, after a line break, the requirements", () => {
  const line = lineOf("name", written({ gpu: true }));
  assert.equal(line, 'name\n{"gpu":true}');
  assert.deepEqual([nameOf(line), requiresOf(line)], ["name", '{"gpu":true}']);
  assert.deepEqual([lineOf("name", ""), nameOf("name"), requiresOf("name")], ["name", "name", ""]);
});

const cases: readonly (readonly [Requires, Labels, boolean])[] = [
  [{ gpu: true }, { gpu: true }, true],
  [{ gpu: true }, { gpu: "true" }, false],
  [{ gpu: true }, {}, false],
  [{ gpu: false }, {}, false],
  [{ gpu: false }, { gpu: false }, true],
  [{ cores: 4 }, { cores: "4" }, true],
  [{ memory: "1GiB" }, { memory: 2 ** 30 }, true],
  [{ memory: "16GiB" }, { memory: "16384MiB" }, true],
  [{ memory: ">=8GiB" }, { memory: "16GiB" }, true],
  [{ memory: ">=8GiB" }, { memory: "8GB" }, false],
  [{ memory: "<8GiB" }, { memory: "8GB" }, true],
  [{ memory: ">8GiB" }, { memory: "8GiB" }, false],
  [{ memory: "<=8GiB" }, { memory: "8GiB" }, true],
  [{ memory: ">=8GiB" }, { memory: "much" }, false],
  [{ load: ">=0.5" }, { load: 0.5 }, true],
  [{ zone: ["a", "b"] }, { zone: "b" }, true],
  [{ zone: ["a", "b"] }, { zone: "c" }, false],
  [{ zone: "a", gpu: true }, { zone: "a" }, false],
  [{ constructor: "x" }, {}, false],
];

for (const [requires, labels, expected] of cases) {
  test(`${JSON.stringify(labels)} ${expected ? "meets" : "does not meet"} ${JSON.stringify(requires)}`, () => {
    assert.equal(meets(written(requires), labels), expected);
  });
}

test("what another program wrote there is met by nobody", () => {
  for (const text of ["gpu", "[1]", "{", "null"]) assert.equal(meets(text, { gpu: true }), false, text);
});

test("what nobody could understand is refused where the task is defined", () => {
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [{ memory: ">=lots" }, /requires\.memory compares with "lots"/],
    [{ zone: [] }, /requires\.zone is an empty list/],
    [{ zone: [">=1"] }, /a list holds values/],
    [{ zone: null }, /requires\.zone must be/],
    [{ "zone a": 1 }, /a label's name/],
    [{ text: "x".repeat(129) }, /requires\.text must be/],
    ["gpu", /takes an object/],
    [Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`label${i}`, "x".repeat(50)])), /too long/],
  ];
  for (const [requires, pattern] of refused) {
    assert.throws(
      () => task("requires.refused", () => 1, { requires: requires as Requires }),
      (error) => error instanceof UsageError && pattern.test(error.message),
      String(pattern),
    );
  }
  assert.throws(() => checkLabels({ memory: NaN }, "work() labels"), /work\(\) labels\.memory must be/);
});

test("a size that is nearly one is refused, other texts that begin with a number are not", () => {
  const sizes = { "16Gib": "16GiB", "16gib": "16GiB", "16Gi": "16GiB", "1.5 gb": "1.5GB", "8KB": "8kB" };
  for (const [text, meant] of Object.entries(sizes)) {
    const message = new RegExp(`labels\\.memory: "${text}" is no size.*Did you mean "${meant}"\\?`);
    assert.throws(() => checkLabels({ memory: text }, "work() labels"), { code: "USAGE", message });
    assert.throws(() => writeRequires({ memory: ["a", text] }, "test"), UsageError);
  }
  for (const text of ["3rd-floor", "5G", "7b", "2x", "16 cores", "1ab", "16GiB", "8kB"]) {
    assert.deepEqual(checkLabels({ text }, "work() labels"), { text });
  }
});
