// The smallest useful PNG writer: 8 bits a channel, red, green and blue, no interlacing (www.w3.org/TR/png-3).
import { crc32, deflateSync } from "node:zlib";

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** A PNG file of rows that hold 3 bytes a pixel, top row first. */
export function png(width: number, rows: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(rows.length, 4);
  header.set([8, 2, 0, 0, 0], 8);

  // Each row is told from the one above it (filter 2): neighbours are alike, and so compress better.
  const raw = Buffer.alloc(rows.length * (width * 3 + 1));
  rows.forEach((row, y) => {
    const start = y * (width * 3 + 1);
    const above = rows[y - 1];
    raw[start] = 2;
    for (let i = 0; i < row.length; i++) raw[start + 1 + i] = (row[i] as number) - (above?.[i] ?? 0);
  });

  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(raw)), chunk("IEND", new Uint8Array())]);
}
