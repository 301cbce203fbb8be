// What is stored when encryption is used, and what becomes of it when keys are missing or somebody has been at the store.
import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { call, connect, context, encryption, SealError, task, UsageError } from "../../../src/index.ts";
import type { About, EncryptionOptions, Hands, Middleware } from "../../../src/index.ts";
import { systemRuntime } from "../../../src/core/runtime.ts";
import { openStore } from "../../../src/fleet/open.ts";
import { Hooks } from "../../../src/fleet/middleware/hooks.ts";
import { Seals } from "../../../src/fleet/middleware/seals.ts";
import { decode } from "../../../src/task/codec.ts";
import * as jobs from "../../fixtures/jobs.ts";
import { folder, until } from "../../fixtures/support.ts";

const [one, two] = [randomBytes(32), randomBytes(32)];
const about: About = { kind: "args", job: "j", store: "s" };
const secret = "the secret of the house";

function encrypting(options: Partial<EncryptionOptions> = {}): Middleware {
  return encryption({ keys: { one }, current: "one", ...options });
}

async function sqlite(
  t: TestContext,
  use: readonly Middleware[],
  path = join(folder(t), "hands.db"),
): Promise<{ hands: Hands; path: string }> {
  const hands = await connect(`sqlite:${path}`, { use });
  t.after(() => hands.close());
  return { hands, path };
}

/** Every text in the tables of a store. */
function storedTexts(path: string): string {
  using db = new DatabaseSync(path, { readOnly: true });
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
  return JSON.stringify(
    tables.map(({ name }) => db.prepare(`SELECT * FROM "${String(name)}"`).all()),
    (_, value: unknown) => {
      return typeof value === "bigint" ? String(value) : value;
    },
  );
}

const busy = task("encryption.busy", async (text: string, fails: boolean) => {
  const { step, progress, waitFor, attempt, submit } = context();
  progress(0.5, text);
  await step("step", () => text);
  const signalled = await waitFor("go");
  if (attempt === 1) throw new Error(text);
  if (fails) throw new Error(text);
  return [text, signalled, await submit(jobs.echo, text)];
});

test("nothing of arguments, results, errors, progress, steps and signals is stored in the clear", async (t) => {
  const { hands, path } = await sqlite(t, [encrypting()]);
  hands.work({ tasks: [busy, jobs] });
  const retrying = busy.with({ retries: 1, backoff: { initial: 1 } });
  const [done, failed] = [hands.submit(retrying, secret, false), hands.submit(retrying, secret, true)];
  for (const future of [done, failed]) {
    const id = await future.submitted;
    await until("it waits", async () => (await hands.jobs({ ids: [id] }))[0]?.state === "waiting");
    await hands.signal(id, "go", secret);
  }
  assert.deepEqual(await done, [secret, secret, secret]);
  await assert.rejects(async () => failed, new Error(secret));
  await hands.submit(jobs.echo.with({ unique: { key: (text) => String(text) } }), secret);
  const stored = storedTexts(path);
  assert.ok(stored.includes("~encryption:one:"), "it has been encrypted");
  assert.ok(!stored.includes("the secret"), "it has been stored in the clear");
  const [job] = await hands.jobs({ ids: [done.id] });
  assert.deepEqual(job?.args, [secret, false]);
  assert.deepEqual(job?.result, [secret, secret, secret]);
  assert.equal(job?.sealed, undefined);
  const { attempts, ...explained } = await hands.explain(done.id);
  assert.deepEqual([explained.job.args, attempts.length], [[secret, false], 1]);
  assert.deepEqual(
    attempts.map(({ error }) => error),
    [new Error(secret)],
  );
});

test("a deadline that has passed counts anew after a retry by hand", async (t) => {
  const { hands } = await sqlite(t, [encrypting()]);
  let times = 0;
  const second = task("encryption.second", () => {
    times += 1;
    if (times === 1) throw new Error("the first attempt fails");
    return times;
  });
  hands.work({ tasks: [second] });
  const future = hands.submit(second.with({ deadline: "1s" }));
  await assert.rejects(async () => future, new Error("the first attempt fails"));
  const passed = hands.now() + 1000;
  await until("its deadline has passed", () => hands.now() > passed);
  await hands.retry(future.id);
  assert.equal(await hands.job(future.id), 2);
});

test("graphs, groups and tasks in threads and processes get plain values", async (t) => {
  const { hands } = await sqlite(t, [encrypting()]);
  hands.work({ tasks: [jobs], threads: 1, processes: 1 });
  assert.equal(await hands.submit(jobs.sum, [call(jobs.add, 1, 2), call(jobs.add, 3, 4)]), 10);
  for (const on of ["thread", "process"] as const) assert.equal(await hands.submit(jobs.echo.with({ on }), secret), secret);
});

test("a unique key is found again and cannot be guessed from its hash", async (t) => {
  const { hands } = await sqlite(t, [encrypting({ keys: { one, two }, current: "two" })]);
  const unique = jobs.echo.with({ unique: {} });
  const id = await hands.submit(unique, 1).submitted;
  assert.equal(await hands.submit(unique, 1).submitted, id);
  assert.notEqual(await hands.submit(unique, 2).submitted, id);
  const conceal = (keys: EncryptionOptions["keys"], current: string): unknown =>
    encryption({ keys, current }).conceal?.("a\n[1]");
  assert.equal(conceal({ one }, "one"), conceal({ one, two }, "two"), "a new key at the end changes nothing");
  assert.notEqual(conceal({ one }, "one"), conceal({ two }, "two"));
});

test("old keys open after a rotation; a missing one is named", async (t) => {
  const { hands, path } = await sqlite(t, [encrypting()]);
  const id = await hands.submit(jobs.echo, secret).submitted;
  const rotated = await sqlite(t, [encrypting({ keys: { one, two }, current: "two" })], path);
  assert.deepEqual((await rotated.hands.jobs())[0]?.args, [secret]);
  const newer = await sqlite(t, [encrypting({ keys: { two }, current: "two" })], path);
  const [job] = await newer.hands.jobs();
  assert.equal(job?.args, undefined);
  assert.match(
    job?.sealed ?? "",
    /A text \(args\) is encrypted with the key "one", which this program was not given: it has "two"\./,
  );
  newer.hands.work({ tasks: [jobs] });
  await assert.rejects(
    async () => newer.hands.job(id),
    (error: unknown) => error instanceof SealError && /the key "one"/.test(error.message),
  );
});

test("a program without the middleware sees that texts are sealed, and by what", async (t) => {
  const { hands, path } = await sqlite(t, [encrypting()]);
  hands.work({ tasks: [jobs] });
  await assert.rejects(async () => hands.submit(jobs.boom, secret));
  const plain = await sqlite(t, [], path);
  const [job] = await plain.hands.jobs();
  assert.deepEqual([job?.args, job?.result, job?.problem], [undefined, undefined, undefined]);
  assert.match(job?.sealed ?? "", /sealed by the middleware "encryption", which this program does not use/);
  assert.ok(job?.error instanceof SealError);
  await assert.rejects(async () => plain.hands.job(job.id), SealError);
});

test("texts from before, or by others, are taken only where they may be", async (t) => {
  const { hands, path } = await sqlite(t, []);
  const id = await hands.submit(jobs.echo, "plain").submitted;
  const lenient = await sqlite(t, [encrypting({ acceptPlain: true })], path);
  assert.deepEqual((await lenient.hands.jobs())[0]?.args, ["plain"]);
  const strict = await sqlite(t, [encrypting()], path);
  strict.hands.work({ tasks: [jobs] });
  await assert.rejects(
    async () => strict.hands.job(id),
    (error: unknown) => error instanceof SealError && /not sealed by the middleware "encryption"/.test(error.message),
  );
});

test("schedules are encrypted, and their ticks", async (t) => {
  const { hands, path } = await sqlite(t, [encrypting()]);
  await hands.schedule("often", { every: "1s" }, call(jobs.echo, secret));
  await hands.schedule("often", { every: "2s" }, call(jobs.echo, secret));
  hands.work({ tasks: [jobs] });
  await until("a tick is done", async () => (await hands.count({ states: ["done"] })) >= 1);
  await hands.schedule("often").pause();
  assert.ok(!storedTexts(path).includes("the secret"), "it has been stored in the clear");
  assert.deepEqual((await hands.jobs({ states: ["done"], limit: 1 }))[0]?.result, secret);
});

test("a schedule whose key is not there hides no other, and is neither replaced nor pruned", async (t) => {
  const nightly = { name: "nightly", when: "0 3 * * *", call: call(jobs.echo, secret) };
  const [hourly, weekly] = [
    { ...nightly, name: "hourly", when: "0 * * * *" },
    { ...nightly, name: "weekly", when: "0 3 * * MON" },
  ];
  const { hands, path } = await sqlite(t, [encrypting()]);
  await hands.schedules([nightly, hourly]);
  const other = await sqlite(t, [encryption({ keys: { two }, current: "two" })], path);
  assert.deepEqual((await other.hands.schedules([weekly])).added, ["weekly"]);

  const listed = await other.hands.schedules();
  assert.deepEqual(
    listed.map(({ name, when }) => [name, when]),
    [
      ["hourly", undefined],
      ["nightly", undefined],
      ["weekly", { cron: "0 3 * * MON", timezone: "UTC" }],
    ],
  );
  const [first, , last] = listed;
  assert.match(
    first?.problem ?? "",
    /^Schedule "hourly" cannot be read: .*the key "one".*has "two"\. Add that key .* Or remove the schedule/,
  );
  assert.equal(last?.problem, undefined);

  const isRefused = (error: unknown): boolean => error instanceof SealError && error.message.includes('"nightly" cannot be read');
  await assert.rejects(other.hands.schedules([{ ...weekly, when: "0 4 * * MON" }, nightly], { prune: true }), isRefused);
  assert.deepEqual(await other.hands.schedules(), listed, "all of it is checked before anything is written");
  const changes = await other.hands.schedules([], { prune: true });
  assert.deepEqual([changes.removed, changes.unreadable], [["weekly"], listed.slice(0, 2)]);
  assert.deepEqual(
    (await hands.schedules([nightly, hourly])).same,
    ["nightly", "hourly"],
    "whoever has the key finds them as they were",
  );

  const stranger = await sqlite(t, [], path);
  assert.match((await stranger.hands.schedules())[0]?.problem ?? "", /middleware "encryption", which this program does not use/);
  assert.equal(await stranger.hands.schedule("hourly").remove(), true);
});

test("a copy of a store is as sealed as the store, and opens with the same keys", async (t) => {
  const { hands, path } = await sqlite(t, [encrypting()]);
  const id = await hands.submit(jobs.echo, secret).submitted;
  await hands.close();
  const home = folder(t);
  const urls = [path, join(home, "copy.db")].map((file) => `sqlite:${file}`);
  const [source, copy] = await Promise.all(urls.map((url) => openStore(url, { runtime: systemRuntime })));
  assert.equal(await copy?.load((await source?.dump(null, 10))?.jobs ?? [], Date.now()), 1);
  await Promise.all([source?.close(), copy?.close()]);
  assert.ok(!storedTexts(join(home, "copy.db")).includes("the secret"));
  const moved = await sqlite(t, [encrypting()], join(home, "copy.db"));
  moved.hands.work({ tasks: [jobs] });
  assert.equal(await moved.hands.job(id), secret);
});

test("a text that was changed or put elsewhere is refused", async () => {
  const middleware = encrypting();
  const seal = (text: string, of: Partial<About> = {}): string => middleware.seal?.(text, { ...about, ...of }) as string;
  const opens = (text: string, of: Partial<About> = {}): unknown => middleware.open?.(text, { ...about, ...of });
  const sealed = seal('["x"]');
  assert.equal(opens(sealed), '["x"]');
  assert.notEqual(seal('["x"]'), sealed, "each has a nonce of its own");
  for (const elsewhere of [{ job: "other" }, { kind: "error" as const }, { kind: "record" as const, name: "step/a" }]) {
    assert.throws(() => opens(sealed, elsewhere), SealError);
  }
  const record = seal("1", { kind: "record", name: "step/a" });
  assert.throws(() => opens(record, { kind: "record", name: "step/b" }), SealError);
  assert.equal(opens(seal("5", { kind: "result" }), { kind: "result", job: undefined }), "5", "a result is given to other jobs");
  const bytes = Buffer.from(sealed.slice("one:".length), "base64url");
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    assert.throws(() => opens(`one:${changed.toString("base64url")}`), SealError);
    assert.throws(() => opens(`one:${bytes.subarray(0, at).toString("base64url")}`), SealError);
  }
});

test("one text that cannot be opened fails one job, and no other", async (t) => {
  const { hands, path } = await sqlite(t, [encrypting()]);
  const [damaged, sound] = [hands.submit(jobs.echo, 1), hands.submit(jobs.echo, 2)];
  await Promise.all([damaged.submitted, sound.submitted]);
  const db = new DatabaseSync(path);
  db.prepare("UPDATE job SET args = (SELECT args FROM job WHERE id = ?) WHERE id = ?").run(sound.id, damaged.id);
  db.close();
  hands.work({ tasks: [jobs] });
  assert.equal(await sound, 2);
  await assert.rejects(
    async () => damaged,
    (error: unknown) => error instanceof SealError && /belongs to another job/.test(error.message),
  );
});

test("whatever is stored, opening it gives a text or a SealError", async () => {
  const seals = new Seals(new Hooks([encrypting()]), "s");
  const sealed = await seals.seal('["x"]', about);
  const parts = fc.constantFrom(
    "~",
    "!",
    ":",
    "encryption",
    "one",
    "two",
    "offload",
    sealed,
    sealed.slice(9),
    "\u0000",
    "😀",
    '"',
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(parts).map((all) => all.join("")),
    fc.string().map((s) => `~encryption:one:${s}`),
  );
  await fc.assert(
    fc.asyncProperty(text, async (text) => {
      const opened = await seals.open(text, about);
      if (opened !== '["x"]') assert.throws(() => decode(opened), SealError);
    }),
    { numRuns: 3000 },
  );
});

test("keys are checked, and never shown", () => {
  const wrong = "correct horse battery staple";
  for (const keys of [{ one: wrong }, { one: one.subarray(1) }, { "o:ne": one }, { one: createSecretKey(one) }, null]) {
    assert.throws(
      () => encryption({ keys: keys as never, current: "one" }),
      (error: unknown) =>
        error instanceof UsageError && !inspect(error).includes("horse") && !inspect(error).includes(one.toString("hex")),
    );
  }
  assert.throws(() => encryption({ keys: { "2026-11": one }, current: "2026-12" }), /Did you mean "2026-11"/);
  const forms = [one, one.toString("base64"), one.toString("hex")];
  const sealed = encrypting().seal?.("text", about) as string;
  for (const key of forms) {
    const middleware = encryption({ keys: { one: key }, current: "one" });
    assert.equal(middleware.open?.(sealed, about), "text");
    assert.ok(!inspect(middleware, { depth: 9, showHidden: true }).includes(one.toString("hex").slice(0, 8)));
  }
});
