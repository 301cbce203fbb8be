// What goes over the pipe between a pool and its process: frames of a fixed header and a payload. The header is all that the relay
// reads; a payload is a serialized message for the main thread or the pool, which the relay passes on unread.
//
//   offset  0 length of the payload (u32)   4 op (u8)   5 slot (u8)   6 a (u16)   8 b (u16)   10 tag (u16)   12 value (f64)

export const headerBytes = 20;

/** Pool to process. */
export const giveFrame = 0;
/** slot, a: from, value: keep, tag: which request. */
export const takeFrame = 1;
/** A message for the main thread. */
export const messageFrame = 2;
/** Process to pool. slot, a: next, b: end, value: running for so many ms, negative while importing; tag: which request. */
export const takenFrame = 3;
/** slot, a: index, b: 1 when its module is being imported. */
export const seenFrame = 4;
/** The process is about to exit. a, b: elements begun in each slot; value: 1 while importing; payload: what was not caught. */
export const exitFrame = 5;

/** A frame without its payload. */
export interface Header {
  readonly op: number;
  readonly slot?: number;
  readonly a?: number;
  readonly b?: number;
  readonly tag?: number;
  readonly value?: number;
}

/** The bytes of a header for a payload of `length` bytes. */
export function headerOf({ op, slot = 0, a = 0, b = 0, tag = 0, value = 0 }: Header, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt8(op, 4);
  bytes.writeUInt8(slot, 5);
  bytes.writeUInt16LE(a, 6);
  bytes.writeUInt16LE(b, 8);
  bytes.writeUInt16LE(tag, 10);
  bytes.writeDoubleLE(value, 12);
  return bytes;
}

function readHeader(bytes: Buffer): Required<Header> {
  return {
    op: bytes.readUInt8(4),
    slot: bytes.readUInt8(5),
    a: bytes.readUInt16LE(6),
    b: bytes.readUInt16LE(8),
    tag: bytes.readUInt16LE(10),
    value: bytes.readDoubleLE(12),
  };
}

/** Cuts a stream of chunks into frames. A payload is put together in a buffer of its own size, so that each byte is copied once. */
export class FrameReader {
  readonly #onFrame: (header: Required<Header>, payload: Buffer) => void;
  readonly #head: Buffer = Buffer.alloc(headerBytes);
  #headFilled = 0;
  #header: Required<Header> | undefined;
  #payload: Buffer = Buffer.alloc(0);
  #payloadFilled = 0;

  constructor(onFrame: (header: Required<Header>, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (!this.#header) at += this.#fillHead(chunk, at);
      else {
        const copied = chunk.copy(this.#payload, this.#payloadFilled, at);
        this.#payloadFilled += copied;
        at += copied;
      }
      this.#deliver();
    }
  }

  #fillHead(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#head, this.#headFilled, at);
    this.#headFilled += copied;
    if (this.#headFilled < headerBytes) return copied;
    this.#headFilled = 0;
    this.#header = readHeader(this.#head);
    // Not from the pool of small buffers: a payload is handed over to another thread.
    this.#payload = Buffer.from(new ArrayBuffer(this.#head.readUInt32LE(0)));
    this.#payloadFilled = 0;
    return copied;
  }

  #deliver(): void {
    const header = this.#header;
    if (!header || this.#payloadFilled < this.#payload.length) return;
    this.#header = undefined;
    this.#onFrame(header, this.#payload);
  }
}
