// Large texts outside the store: in a folder, and in a bucket.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import {
  call,
  connect,
  context,
  encryption,
  folder as depotFolder,
  offload,
  s3,
  SealError,
  StoreUnavailable,
  task,
  UsageError,
} from "../../../src/index.ts";
import type { About, Depot, FleetFacts, Hands, Middleware, S3Client } from "../../../src/index.ts";
import { toBytes } from "../../../src/core/sizes.ts";
import { readDepotName } from "../../../src/fleet/middleware/depot.ts";
import { Hooks } from "../../../src/fleet/middleware/hooks.ts";
import { Upkeep } from "../../../src/fleet/middleware/upkeep.ts";
import { memoryStore } from "../../../src/store/memory/store.ts";
import { TestClock } from "../../../src/testing/index.ts";
import * as jobs from "../../fixtures/jobs.ts";
import { folder, Program, until } from "../../fixtures/support.ts";
import { startS3 } from "../../servers/s3.ts";

const large = "a large text ".repeat(1000);
const old = new Date(Date.now() - 2 * 864e5);

interface Bench {
  readonly hands: Hands;
  readonly url: string;
  readonly path: string;
  readonly use: readonly Middleware[];
}

async function bench(t: TestContext, before: readonly Middleware[] = []): Promise<Bench> {
  const home = folder(t);
  const path = join(home, "large");
  mkdirSync(path);
  const url = `sqlite:${join(home, "hands.db")}`;
  const use = [...before, offload({ over: "1kB", to: depotFolder(path) })];
  const hands = await connect(url, { use });
  t.after(() => hands.close());
  return { hands, url, path, use };
}

const files = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted();
const kinds = (path: string): (string | undefined)[] =>
  files(path).map((file) => readDepotName(file.split("/").slice(-2).join("/"))?.kind);

/** Does the upkeep of a fleet's middleware at once. */
async function sweep({ hands, path, use }: Bench): Promise<void> {
  const [store = ""] = readdirSync(path);
  const stored = async (ids: readonly string[]): Promise<ReadonlySet<string>> =>
    new Set((await hands.jobs({ ids })).map(({ id }) => id));
  const facts: FleetFacts = { store, stored, signal: new AbortController().signal };
  await use.at(-1)?.tend?.(facts);
}

test("large texts are files, small ones are not, and everybody gets plain values", async (t) => {
  const { hands, path, url, use } = await bench(t);
  const steps = task("offload.steps", async (text: string) => {
    const step = await context().step("large", () => text);
    if (context().attempt === 1) throw new Error(step);
    return step;
  });
  hands.work({ tasks: [jobs, steps], threads: 1 });
  assert.equal(await hands.submit(jobs.add, 1, 2), 3);
  assert.deepEqual(files(path), []);
  assert.equal(await hands.submit(jobs.echo.with({ on: "thread" }), large), large);
  assert.deepEqual(kinds(path), ["args", "result"]);
  assert.equal(await hands.submit(steps.with({ retries: 1, backoff: { initial: 1 } }), large), large);
  assert.deepEqual(await hands.submit(jobs.echo, [call(jobs.echo, large)]), [large]);
  const other = await connect(url, { use });
  assert.deepEqual((await other.jobs({ task: "offload.steps" }))[0]?.args, [large]);
  await other.close();
  const without = await connect(url);
  assert.match((await without.jobs())[0]?.sealed ?? "", /sealed by the middleware "offload"/);
  await without.close();
});

test("10 MB go there and back, encrypted", async (t) => {
  const { hands, path } = await bench(t, [encryption({ keys: { a: Buffer.alloc(32, 7) }, current: "a" })]);
  const text = "secret ".repeat(1_500_000);
  hands.work({ tasks: [jobs] });
  assert.equal(await hands.submit(jobs.echo, text), text);
  assert.equal(files(path).length, 2);
  for (const file of files(path)) assert.ok(!readFileSync(file, "utf8").includes("secret"));
});

test("texts are deleted with their job: not before, and not while they are young", async (t) => {
  const made = await bench(t);
  const { hands, path } = made;
  hands.work({ tasks: [jobs], queues: ["default"] });
  const ended = hands.submit(jobs.echo, large);
  await ended;
  const waiting = await hands.submit(jobs.echo.with({ queue: "nobody" }), large).submitted;
  await hands.remove(ended.id);
  await sweep(made);
  assert.equal(files(path).length, 3, "they are young");
  const [store = ""] = readdirSync(path);
  const foreign = [join(path, store, "somebody.else"), join(path, "another-store-of-this-folder")];
  mkdirSync(foreign[1] as string);
  writeFileSync(foreign[0] as string, "");
  writeFileSync(join(foreign[1] as string, `${ended.id}.args.x`), "");
  writeFileSync(join(path, store, `${ended.id}.args.y.part`), "");
  for (const file of files(path)) utimesSync(file, old, old);
  await sweep(made);
  const left = files(path).map((file) => file.slice(path.length + 1));
  assert.equal(left.length, 3, left.join());
  assert.ok(left.some((file) => file.startsWith(`${store}/${waiting}.args.`)));
});

test("a program that dies between writing and submitting leaves a text that is swept, and no job", async (t) => {
  const made = await bench(t);
  const program = new Program(t, join(import.meta.dirname, "../../fixtures/offloader.ts"), [made.url, made.path]);
  await program.says("written");
  program.kill("SIGKILL");
  await program.exited;
  assert.equal(files(made.path).length, 1);
  assert.equal(await made.hands.count(), 0);
  for (const file of files(made.path)) utimesSync(file, old, old);
  await sweep(made);
  assert.deepEqual(files(made.path), []);
});

test("a text that was changed or is gone fails its job, and is told as such", async (t) => {
  const { hands, path } = await bench(t);
  const [changed, gone] = [hands.submit(jobs.echo, large), hands.submit(jobs.echo, large)];
  await Promise.all([changed.submitted, gone.submitted]);
  for (const file of files(path)) {
    if (file.includes(gone.id)) rmSync(file);
    else writeFileSync(file, readFileSync(file, "utf8").replace("large", "small"));
  }
  hands.work({ tasks: [jobs] });
  const refused = (pattern: RegExp) => (error: unknown) => error instanceof SealError && pattern.test(error.message);
  await assert.rejects(async () => changed, refused(/is not what was written/));
  await assert.rejects(async () => gone, refused(/is gone/));
});

test("while the folder is away, submits fail and jobs are given back; then they run", async (t) => {
  const { hands, path } = await bench(t);
  const before = hands.submit(jobs.echo, large);
  await before.submitted;
  renameSync(path, `${path}.away`);
  await assert.rejects(hands.submit(jobs.echo, large).submitted, StoreUnavailable);
  const reports: string[] = [];
  hands.work({ tasks: [jobs], report: ({ kind }) => reports.push(kind) });
  await until("the worker has met it", () => reports.includes("store-failed"));
  renameSync(`${path}.away`, path);
  assert.equal(await before, large);
});

test("while the folder is away, jobs are listed, and those with large texts say why these are not there", async (t) => {
  const { hands, path } = await bench(t);
  hands.work({ tasks: [jobs] });
  const big = hands.submit(jobs.echo, large);
  const small = hands.submit(jobs.echo, 1);
  const failed = hands.submit(jobs.boom, large);
  await Promise.allSettled([big, small, failed]);
  renameSync(path, `${path}.away`);
  const listed = await hands.jobs({ ids: [big.id, small.id, failed.id] });
  const [one, two, three] = [big, small, failed].map(({ id }) => listed.find((job) => job.id === id));
  assert.deepEqual([one?.state, one?.args, one?.result, one?.problem], ["done", undefined, undefined, undefined]);
  assert.match(one?.sealed ?? "", /A large text cannot be read from the folder .*ENOENT/);
  assert.deepEqual([two?.args, two?.result, two?.sealed], [[1], 1, undefined]);
  assert.ok(three?.error instanceof SealError && three.state === "failed");
  assert.equal((await hands.explain(big.id)).job.sealed, one?.sealed);
  renameSync(`${path}.away`, path);
  const [again] = await hands.jobs({ ids: [big.id] });
  assert.deepEqual([again?.args, again?.result, again?.sealed], [[large], large, undefined]);
});

test("references that nobody wrote are refused", async (t) => {
  const path = folder(t);
  const middleware = offload({ over: 0, to: depotFolder(path) });
  const about: About = { kind: "args", job: "a/../b", store: "s" };
  const reference = await middleware.seal?.("text", about);
  assert.match(String(reference), /^s\/a%2F%2E%2E%2Fb\.args\./);
  assert.equal(await middleware.open?.(String(reference), about), "text");
  const outside = join(path, "../outside.args.x");
  const [, digest] = String(reference).split(":");
  for (const hostile of [
    "",
    ":",
    outside,
    `../../etc/passwd:${digest}`,
    `s/..%2F..%2Fetc.args.x:${digest}`,
    `s/%2E%2E/b.args.x:${digest}`,
    `/etc/passwd.args.x:${digest}`,
    `s/a.args.x\u0000:${digest}`,
    `s/other.args.x:${digest}`,
    `${String(reference).split(":")[0]}:${digest}x`,
    String(reference).replace(".args.", ".result."),
  ]) {
    await assert.rejects(async () => middleware.open?.(hostile, about), SealError, hostile);
  }
});

test("the upkeep is done by one worker of the fleet, about once an hour", async () => {
  const clock = new TestClock({ seed: 1 });
  const store = memoryStore({ runtime: clock });
  let tended = 0;
  const hooks = new Hooks([
    {
      name: "tends",
      tend: async ({ stored, store }: FleetFacts) => {
        tended += 1;
        assert.deepEqual([store, [...(await stored(["none"]))]], ["id", []]);
      },
    },
  ]);
  const failed = (_: string, error: unknown): void => {
    throw error;
  };
  const upkeeps = [1, 2, 3].map(() => new Upkeep(store, clock, { hooks, reveal: undefined, storeId: "id" }, failed));
  await clock.run(new Promise<void>((resolve) => void clock.after(10 * 36e5, resolve)), "11h");
  assert.ok(tended >= 8 && tended <= 10, `${tended} times in 10 hours`);
  await Promise.all(upkeeps.map((upkeep) => upkeep.stop()));
});

test("wrong options are refused", () => {
  const to = depotFolder("/tmp");
  assert.throws(() => offload({ over: "1 kb" as never, to }), /must be a size/);
  assert.throws(() => offload({ over: 1, to: "/tmp" as never }), /folder\(path\) or s3/);
  assert.throws(() => depotFolder(""), UsageError);
  assert.throws(() => s3({ bucket: "" }), UsageError);
  assert.throws(() => s3({ bucket: "b", client: {} as never }), UsageError);
  assert.deepEqual(
    ["1kB", "1.5MB", "1KiB", "2MiB", "7B", 9].map((size) => toBytes(size, "size")),
    [1000, 1_500_000, 1024, 2_097_152, 7, 9],
  );
});

interface Sdk {
  readonly S3Client: new (options: object) => S3Client;
}

const packageName: string = "@aws-sdk/client-s3";
const sdk = await (import(packageName) as Promise<Sdk>).catch(() => undefined);
const noSdk = sdk || process.env["CI"] ? false : `${packageName} is not installed`;

async function bucket(t: TestContext): Promise<{ readonly s3: Depot; readonly server: Awaited<ReturnType<typeof startS3>> }> {
  const server = await startS3(t);
  const options = { endpoint: server.endpoint, region: "r", forcePathStyle: true, maxAttempts: 1 };
  const client = new (sdk as Sdk).S3Client({ ...options, credentials: { accessKeyId: "a", secretAccessKey: "s" } });
  return { s3: s3({ bucket: "b", prefix: "jobs/", client }), server };
}

test("large texts go to a bucket, and are deleted from it with their jobs", { skip: noSdk }, async (t) => {
  const { s3: to, server } = await bucket(t);
  const middleware = offload({ over: "1kB", to });
  await using hands = await connect("memory:", { use: [middleware] });
  hands.work({ tasks: [jobs] });
  const text = "x".repeat(10_000_000);
  const future = hands.submit(jobs.echo, text);
  assert.equal(await future, text);
  await hands.map(jobs.echo, [large, large]);
  assert.equal(server.objects.size, 6);
  const [[name = ""] = []] = server.objects;
  const [, store = ""] = name.split("/");
  await hands.remove(future.id);
  const stored = async (ids: readonly string[]): Promise<ReadonlySet<string>> =>
    new Set((await hands.jobs({ ids })).map(({ id }) => id));
  for (const [key, { body }] of server.objects) server.objects.set(key, { body, at: old });
  await middleware.tend?.({ store, stored, signal: new AbortController().signal });
  assert.equal(server.objects.size, 4);
  assert.ok([...server.objects.keys()].every((key) => key.startsWith(`jobs/${store}/`) && !key.includes(future.id)));
});

test("a bucket that fails is told from a text that is gone", { skip: noSdk }, async (t) => {
  const { s3: to, server } = await bucket(t);
  const middleware = offload({ over: 0, to });
  const about: About = { kind: "args", job: "j", store: "s" };
  const reference = String(await middleware.seal?.("text", about));
  server.down = true;
  await assert.rejects(async () => middleware.open?.(reference, about), StoreUnavailable);
  await assert.rejects(async () => middleware.seal?.("text", about), StoreUnavailable);
  server.down = false;
  assert.equal(await middleware.open?.(reference, about), "text");
  server.objects.clear();
  await assert.rejects(async () => middleware.open?.(reference, about), SealError);
});
