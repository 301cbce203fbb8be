// The thread in a pool's process that owns the pipe. Tasks run on the main thread and may hold it for as long as they like; this
// thread still hears the pool: it takes elements back, says what is running, and, when the pipe closes because the pool's
// program is gone, ends the process at once. Nothing is left behind, whatever the tasks do.
//
// It reads only the frames' headers. It also looks, every few ms while there is work, which element is running, and tells
// the pool once of one that takes long: after a SIGKILL nobody could ask the process any more.
import { Socket } from "node:net";
import { workerData } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import type { Timer } from "../../core/runtime.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { Claims, largestBatch, slotCount } from "../claims.ts";
import { ClockOffset } from "../clock-offset.ts";
import type { FromMain, RelayData } from "./relay-data.ts";
import { FrameReader, giveFrame, headerOf, seenFrame, takeFrame, takenFrame } from "./frames.ts";
import type { Header } from "./frames.ts";

const lookEveryMs = 5;

class Relay {
  readonly #port: MessagePort;
  readonly #claims: Claims;
  readonly #left: Int32Array;
  readonly #clock = new ClockOffset();
  readonly #socket = new Socket({ fd: 3, readable: true, writable: true });
  readonly #open = new Set<number>();
  readonly #last: number[] = Array.from({ length: slotCount }, () => 0);
  readonly #told: number[] = Array.from({ length: slotCount }, () => 0);
  #timer: Timer | undefined;

  constructor({ port, claims, left }: RelayData) {
    this.#port = port;
    this.#claims = new Claims(claims);
    this.#left = new Int32Array(left);
  }

  start(): void {
    const reader = new FrameReader((header, payload) => this.#receive(header, payload));
    this.#socket.on("data", (chunk) => reader.push(chunk));
    this.#socket.on("error", () => process.kill(process.pid, "SIGKILL"));
    this.#socket.on("close", () => process.kill(process.pid, "SIGKILL"));
    this.#port.on("message", (message: FromMain) => this.#forward(message));
  }

  #receive(header: Required<Header>, payload: Buffer): void {
    if (header.op === takeFrame) return this.#take(header);
    if (header.op === giveFrame) {
      this.#claims.open(header.slot, header.a);
      this.#open.add(header.slot);
      this.#last[header.slot] = 0;
      this.#told[header.slot] = 0;
      this.#timer ??= systemRuntime.after(lookEveryMs, () => this.#look());
    }
    const bytes = payload.buffer as ArrayBuffer;
    this.#port.postMessage(bytes, [bytes]);
    this.#claims.ring();
  }

  #take({ slot, a, value, tag }: Required<Header>): void {
    const { next, end, since, isImporting } = this.#claims.take(slot, a, value);
    const ms = this.#clock.age(since, systemRuntime.elapsed());
    this.#socket.write(headerOf({ op: takenFrame, slot, a: next, b: end, tag, value: isImporting ? -ms : ms }, 0));
  }

  #forward({ header, bytes, length, finished, clock, isLast }: FromMain): void {
    this.#clock.seen(clock, systemRuntime.elapsed());
    if (finished >= 0) this.#open.delete(finished);
    this.#socket.cork();
    this.#socket.write(headerOf(header, length));
    this.#socket.write(Buffer.from(bytes, 0, length), () => {
      if (!isLast) return;
      // The main thread waits for this before it lets the process end.
      Atomics.store(this.#left, 0, 1);
      Atomics.notify(this.#left, 0);
    });
    this.#socket.uncork();
  }

  #look(): void {
    this.#timer = undefined;
    for (const slot of this.#open) {
      const { next, isImporting } = this.#claims.take(slot, largestBatch, 0);
      // What it imported for it may now be running for long.
      const standing = isImporting ? -next : next;
      const isLong = next > 0 && standing === this.#last[slot] && standing !== this.#told[slot];
      this.#last[slot] = standing;
      if (!isLong) continue;
      this.#told[slot] = standing;
      this.#socket.write(headerOf({ op: seenFrame, slot, a: next - 1, b: isImporting ? 1 : 0 }, 0));
    }
    if (this.#open.size > 0) this.#timer = systemRuntime.after(lookEveryMs, () => this.#look());
  }
}

new Relay(workerData as RelayData).start();
