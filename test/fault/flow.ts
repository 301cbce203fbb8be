// One direction of a proxied connection: bytes from one socket to another, passed on as the traffic of the moment says. Their order
// always holds. Where they are held back the source is not read any further, so that its sender feels a full pipe.
import type { Socket } from "node:net";

/** How bytes pass. */
export type Traffic =
  | { readonly kind: "pass" }
  /** Each piece arrives `ms` later, and up to `jitterMs` on top of it. */
  | { readonly kind: "delay"; readonly ms: number; readonly jitterMs: number }
  | { readonly kind: "slow"; readonly bytesPerSecond: number }
  /** Nothing passes; the sockets stay. */
  | { readonly kind: "freeze" };

/** What waits to be passed on: bytes, or how the source ended. */
type Item = Buffer | "end" | "broken";

/** In slow traffic bytes pass in steps of this length. */
const stepMs = 20;

/** Passes bytes from one socket to another. */
export class Flow {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #random: () => number;
  #traffic: Traffic = { kind: "pass" };
  #waiting: Item[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(source: Socket, sink: Socket, random: () => number) {
    this.#source = source;
    this.#sink = sink;
    this.#random = random;
    source.on("data", (bytes: Buffer) => this.#take(bytes));
    source.once("end", () => {
      this.#isEnded = true;
      this.#take("end");
    });
    sink.on("drain", () => this.#readOn());
  }

  set(traffic: Traffic): void {
    this.#traffic = traffic;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#move();
  }

  /** The source is gone. Where it did not end in order the sink is broken, too, after all that came before. */
  over(): void {
    if (!this.#isEnded) this.#take("broken");
  }

  /** Forgets what has not been passed on. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  #take(item: Item): void {
    this.#waiting.push(item);
    if (this.#traffic.kind !== "pass") this.#source.pause();
    if (this.#timer === undefined) this.#move();
  }

  /** Passes on what may pass now, and sees to it that the rest follows. */
  #move(): void {
    const { kind } = this.#traffic;
    if (kind === "pass") {
      while (this.#waiting.length > 0) this.#deliver(this.#waiting.shift() as Item);
      this.#readOn();
    } else if (kind !== "freeze" && this.#waiting.length > 0) this.#moveLater();
  }

  #moveLater(): void {
    const traffic = this.#traffic;
    const ms = traffic.kind === "delay" ? traffic.ms + traffic.jitterMs * this.#random() : stepMs;
    const bytes = traffic.kind === "slow" ? Math.max(1, Math.round((traffic.bytesPerSecond * stepMs) / 1000)) : Infinity;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#moveSome(bytes);
      this.#move();
      // What arrives while this waits travels together, as on a slow line; so the line is read only when it is empty.
      if (this.#waiting.length === 0) this.#readOn();
    }, ms);
  }

  #moveSome(limit: number): void {
    let left = limit;
    while (left > 0) {
      const item = this.#waiting.shift();
      if (item === undefined) return;
      if (typeof item === "string" || item.length <= left) {
        this.#deliver(item);
        left -= typeof item === "string" ? 0 : item.length;
      } else {
        this.#deliver(item.subarray(0, left));
        this.#waiting.unshift(item.subarray(left));
        return;
      }
    }
  }

  #deliver(item: Item): void {
    if (this.#sink.destroyed) return;
    if (item === "broken") this.#sink.resetAndDestroy();
    else if (item === "end") this.#sink.end();
    else if (!this.#sink.write(item)) this.#source.pause();
  }

  #readOn(): void {
    if (this.#traffic.kind !== "freeze" && this.#waiting.length === 0 && !this.#sink.writableNeedDrain) this.#source.resume();
  }
}
