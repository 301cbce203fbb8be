// The page of errors has all of them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as manyhands from "../../src/index.ts";

test("the guide's table has every error that is exported", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/guide/errors.md"), "utf8");
  const listed = [...page.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
  const isError = (value: unknown): boolean => typeof value === "function" && value.prototype instanceof manyhands.ManyhandsError;
  const exported = Object.entries(manyhands).flatMap(([name, value]) => (isError(value) ? [name] : []));
  assert.deepEqual(new Set(listed), new Set(exported));
});
