// A worker's machine of its own, as far as one machine can give it: a network namespace joined to ours by a cable (a veth pair), which
// can be pulled out. Needs root and iproute2 on Linux; where they are missing, the reason is told and the run goes without.
import { spawnSync } from "node:child_process";

let made = 0;

function ip(...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync("ip", args, { encoding: "utf8" });
  return status === 0 ? undefined : `ip ${args.join(" ")}: ${(stderr || error?.message || "failed").trim()}`;
}

/** A network of its own. */
export class RemoteMachine {
  /** Our address as it sees it. */
  readonly hostAddress: string;
  readonly #name: string;
  readonly #inner: string;

  private constructor(name: string, inner: string, hostAddress: string) {
    this.#name = name;
    this.#inner = inner;
    this.hostAddress = hostAddress;
  }

  /** Makes one, or says why that cannot be. */
  static make(): RemoteMachine | { readonly skip: string } {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return { skip: "a network of its own needs root on Linux" };
    const name = `mh${process.pid}-${made++}`;
    const [outer, inner] = [`${name}a`, `${name}b`];
    const subnet = `10.${128 + ((process.pid >> 8) & 127)}.${process.pid & 255}`;
    const host = `${subnet}.${(made * 4 + 1) & 255}`;
    const remote = `${subnet}.${(made * 4 + 2) & 255}`;
    const failed = ip("netns", "add", name);
    if (failed) return { skip: failed };
    const problem =
      ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name) ??
      ip("addr", "add", `${host}/30`, "dev", outer) ??
      ip("link", "set", outer, "up") ??
      ip("-n", name, "addr", "add", `${remote}/30`, "dev", inner) ??
      ip("-n", name, "link", "set", inner, "up");
    const machine = new RemoteMachine(name, inner, host);
    if (problem === undefined) return machine;
    machine.close();
    return { skip: problem };
  }

  /** What a command must begin with to run there. */
  get prefix(): readonly string[] {
    return ["ip", "netns", "exec", this.#name];
  }

  /** Pulls the cable, or plugs it in again. */
  connect(isConnected: boolean): void {
    const failed = ip("-n", this.#name, "link", "set", this.#inner, isConnected ? "up" : "down");
    if (failed) throw new Error(`The cable of a test machine could not be moved: ${failed}`);
  }

  /** Takes it away; what runs there must have ended. The cable goes with it. */
  close(): void {
    const failed = ip("netns", "del", this.#name);
    if (failed) throw new Error(`A test machine could not be taken away: ${failed}`);
  }
}
