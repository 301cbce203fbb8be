// Secrets in URLs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { notShown, withoutPassword } from "../../src/core/redact.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { openStore } from "../../src/fleet/open.ts";
import { openLease } from "../../src/store/lease.ts";

test("a URL is shown without its passwords", () => {
  for (const [url, shown] of [
    ["postgres://ann:s3c@ret@host/db?schema=x", "postgres://ann:***@host/db?schema=x"],
    [
      "redis://:secret@host:1,host:2/?sentinel=m&sentinelPassword=secret#x",
      "redis://:***@host:1,host:2/?sentinel=m&sentinelPassword=***#x",
    ],
    ["postgres:///db?host=/run&password=secret&sslpassword=secret", "postgres:///db?host=/run&password=***&sslpassword=***"],
    ["postgres://ann@org:s3cret@host/db", "postgres://ann@org:***@host/db"],
    ["postgres://ann@host:5432/db", "postgres://ann@host:5432/db"],
    ["sqlite:a.db", "sqlite:a.db"],
    ["sqlite:/home/ann@org/a.db", "sqlite:/home/ann@org/a.db"],
  ] as const) {
    assert.equal(withoutPassword(url), shown);
  }
});

test("what names no store is not shown when it may hold a password", async () => {
  for (const url of [
    "app:sekret@h:5432/x",
    "user=app password=sekret host=h",
    "//app:sekret@h/x",
    "sekret@h",
    "memory:app:sekret@h",
  ]) {
    assert.equal(withoutPassword(url), notShown);
    const errors = [
      await openStore(url, { runtime: systemRuntime }).catch((error: Error) => error),
      await openLease(url, "w").catch((error: Error) => error),
    ];
    for (const error of errors) assert.ok(error instanceof Error && !error.message.includes("sekret"), String(error));
  }
  await assert.rejects(
    openStore("//app:sekret@h/x", { runtime: systemRuntime }),
    /^UsageError: The store's URL \(not shown, it may hold a password\) names no store\. Use "sqlite:path"/,
  );
});
