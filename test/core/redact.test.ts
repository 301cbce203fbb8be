// Secrets in URLs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutPassword } from "../../src/core/redact.ts";

test("a URL is shown without its passwords", () => {
  for (const [url, shown] of [
    ["postgres://ann:s3c@ret@host/db?schema=x", "postgres://ann:***@host/db?schema=x"],
    [
      "redis://:secret@host:1,host:2/?sentinel=m&sentinelPassword=secret#x",
      "redis://:***@host:1,host:2/?sentinel=m&sentinelPassword=***#x",
    ],
    ["postgres:///db?host=/run&password=secret&sslpassword=secret", "postgres:///db?host=/run&password=***&sslpassword=***"],
    ["sqlite:a.db", "sqlite:a.db"],
  ] as const) {
    assert.equal(withoutPassword(url), shown);
  }
});
