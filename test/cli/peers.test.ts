// A program that lacks the package of its store is told which, in one line.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Place } from "./command.ts";

// Node finds neither package.
const hook = `
import { registerHooks } from "node:module";
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== "pg" && specifier !== "ioredis") return next(specifier, context);
    throw Object.assign(new Error("Cannot find package " + specifier), { code: "ERR_MODULE_NOT_FOUND" });
  },
});`;

for (const [url, name] of [
  ["postgres://app:s3cret@db.invalid/app", "pg"],
  ["rediss://:s3cret@cache.invalid", "ioredis"],
] as const) {
  test(`without ${name}`, async (t) => {
    const env = { MANYHANDS_URL: url, NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hook)}` };
    const { code, out, err } = await new Place(t).startWith(env, "queues").ended;
    assert.deepEqual([code, out], [2, ""], err);
    assert.match(err, new RegExp(`^manyhands: A \\w+ store needs the package "${name}".*Install it: npm install ${name}\\n$`));
  });
}
