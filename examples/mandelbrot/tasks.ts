// One task computes a row of the picture, one joins all rows into a PNG file.
import { task, transfer } from "manyhands";
import { png } from "./png.ts";

/** What is looked at: the middle, the width of the plane that is seen, and the size in pixels. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly span: number;
  readonly width: number;
  readonly height: number;
  readonly iterations: number;
}

/** How long the point takes to escape, with a fraction so that colours flow; undefined for a point of the set. */
function escape(cx: number, cy: number, iterations: number): number | undefined {
  let x = 0;
  let y = 0;
  for (let i = 0; i < iterations; i++) {
    const xx = x * x;
    const yy = y * y;
    if (xx + yy > 256) return i + 1 - Math.log2(Math.log2(xx + yy) / 2);
    y = 2 * x * y + cy;
    x = xx - yy + cx;
  }
  return undefined;
}

type Colour = readonly [red: number, green: number, blue: number];
const black: Colour = [0, 0, 0];

/** Colours go round a circle of blue, white, gold and brown, more slowly the longer a point takes; 0 to 1 each. */
function colour(escaped: number | undefined): Colour {
  if (escaped === undefined) return black;
  const turn = 0.62 * Math.log(escaped + 1) * 2 * Math.PI;
  const wave = (phase: number): number => 0.5 + 0.5 * Math.cos(turn + phase);
  return [wave(3.1) ** 0.9, wave(3.6) ** 1.1, wave(4.3) ** 0.9];
}

// Each pixel is the mean of two by two points, which smooths the edges.
const offsets = [0.25, 0.75];

/** One row, 3 bytes a pixel. The bytes are moved to whoever gets the result, not copied. */
export const row = task(
  "row",
  (py: number, view: View): Uint8Array => {
    const pixels = new Uint8Array(view.width * 3);
    const step = view.span / view.width;
    for (let px = 0; px < view.width; px++) {
      const sum = [0, 0, 0];
      for (const dy of offsets) {
        for (const dx of offsets) {
          const cx = view.x + (px + dx - view.width / 2) * step;
          const cy = view.y - (py + dy - view.height / 2) * step;
          colour(escape(cx, cy, view.iterations)).forEach((channel, i) => (sum[i] = (sum[i] as number) + channel));
        }
      }
      pixels.set(
        sum.map((channel) => Math.round((channel / offsets.length ** 2) * 255)),
        px * 3,
      );
    }
    return transfer(pixels);
  },
  { on: "thread" },
);

/** The join: all rows, top row first, as the bytes of a PNG file. */
export const picture = task(
  "picture",
  (width: number, rows: readonly Uint8Array[]): Uint8Array => transfer(new Uint8Array(png(width, rows))),
  { on: "thread" },
);
