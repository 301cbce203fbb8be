// The examples that compute: fib, mergesort and mandelbrot, each with a small size.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { crc32, inflateSync } from "node:zlib";
import { runExample, temporaryFolder } from "./run.ts";

test("fib gives the right numbers and says how much faster the pool was", async () => {
  const { code, stdout, stderr } = await runExample("fib", ["--n", "20", "--count", "10", "--threads", "2"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^fib\(20\) = 6765, 10 times$/m);
  assert.match(stdout, /speed-up +\d+\.\d\d times/);
});

test("mergesort sorts, whatever the shape of the tree", async () => {
  for (const [count, grain] of [
    [20_000, 1000],
    [1, 10],
    [777, 1],
  ] as const) {
    const { code, stdout, stderr } = await runExample("mergesort", ["--count", String(count), "--grain", String(grain)]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^${count} numbers, sorted by \\d+ calls .* every one is in its place$`, "m"));
  }
});

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

function chunksOf(file: Buffer): Chunk[] {
  assert.equal(file.subarray(0, 8).toString("hex"), "89504e470d0a1a0a");
  const found: Chunk[] = [];
  for (let at = 8; at < file.length;) {
    const end = at + 8 + file.readUInt32BE(at);
    assert.equal(file.readUInt32BE(end), crc32(file.subarray(at + 4, end)));
    found.push({ type: file.toString("latin1", at + 4, at + 8), data: file.subarray(at + 8, end) });
    at = end + 4;
  }
  return found;
}

/** The pixels of a PNG of 8-bit colours whose rows are all told from the row above. */
function pixelsOf(data: Buffer, width: number, height: number): Buffer {
  const raw = inflateSync(data);
  const stride = width * 3;
  assert.equal(raw.length, height * (stride + 1));
  const pixels = Buffer.alloc(height * stride);
  for (let y = 0; y < height; y++) {
    assert.equal(raw[y * (stride + 1)], 2);
    for (let i = 0; i < stride; i++) {
      const above = y === 0 ? 0 : (pixels[(y - 1) * stride + i] as number);
      pixels[y * stride + i] = (raw[y * (stride + 1) + 1 + i] as number) + above;
    }
  }
  return pixels;
}

test("mandelbrot writes a picture", async (t) => {
  const folder = temporaryFolder(t);
  const out = join(folder, "pictures", "small.png");
  // The whole set, which lies symmetric to the real axis.
  const size = ["--width", "96", "--height", "64", "--x=-0.6", "--y=0", "--span", "3.6", "--iterations", "200"];
  const { code, stdout, stderr } = await runExample("mandelbrot", [...size, "--out", out], folder);
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes(out));
  assert.deepEqual(readdirSync(folder), ["pictures"]);
  assert.ok(existsSync(out));

  const [header, data, end] = chunksOf(readFileSync(out));
  assert.equal(header?.type, "IHDR");
  assert.deepEqual([header.data.readUInt32BE(0), header.data.readUInt32BE(4)], [96, 64]);
  assert.equal(end?.type, "IEND");
  const pixels = pixelsOf(data?.data ?? Buffer.alloc(0), 96, 64);
  const row = (y: number): Buffer => pixels.subarray(y * 96 * 3, (y + 1) * 96 * 3);
  for (let y = 0; y < 32; y++) assert.deepEqual(row(y), row(63 - y), `row ${y} is not the mirror image of row ${63 - y}`);
  const black = (x: number, y: number): boolean => row(y).readUIntBE(x * 3, 3) === 0;
  assert.ok(black(58, 32), "a point of the set is not black");
  assert.ok(!black(0, 0), "a point outside the set is black");
  assert.ok(new Set(Array.from({ length: 96 * 64 }, (_, i) => pixels.readUIntBE(i * 3, 3))).size > 200, "too few colours");
});
