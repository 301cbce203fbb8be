// What passes between the two threads of a pool's process.
import type { MessagePort } from "node:worker_threads";
import type { Header } from "./frames.ts";

/** What the relay is started with. */
export interface RelayData {
  readonly port: MessagePort;
  readonly claims: SharedArrayBuffer;
  /** One word: 1 when the last frame has been written. */
  readonly left: SharedArrayBuffer;
}

/** A frame that the main thread wants written. */
export interface FromMain {
  readonly header: Header;
  readonly bytes: ArrayBuffer;
  readonly length: number;
  /** The slot that is finished with this frame, or -1. */
  readonly finished: number;
  /** The main thread's monotonic clock. */
  readonly clock: number;
  /** The process ends when this has been written. */
  readonly isLast: boolean;
}
