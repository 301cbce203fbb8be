// What a run is played with: a server of its own, workers as processes, submitters in this one, each behind a proxy of its own, and an
// observer with a straight connection. Whatever part of it was made is cleared away by `close`, last first.
import { join } from "node:path";
import { systemRuntime } from "../../src/core/runtime.ts";
import { openStore } from "../../src/fleet/open.ts";
import type { Hands } from "../../src/index.ts";
import { connect } from "../../src/index.ts";
import type { Store } from "../../src/store/store.ts";
import { seededRandom } from "../../src/testing/index.ts";
import { removeFolder, serverFolder } from "../servers/child.ts";
import { Proxy } from "./proxy.ts";
import { RemoteMachine } from "./remote.ts";
import type { StoreKind, StoreServer } from "./server.ts";
import { startStoreServer } from "./server.ts";
import { Slot } from "./slot.ts";

/** What a scene is made of. */
export interface SceneOptions {
  readonly kind: StoreKind;
  readonly seed: number;
  readonly leaseMs: number;
  readonly workers: number;
  /** One more worker has a network of its own, where the machine allows it. */
  readonly remote: boolean;
  /** Told what must not be. */
  readonly finding: (what: string) => void;
}

/** How long submitters wait for a server that cannot be reached: one is patient, the other has many submits refused. */
const patiences = ["30s", "2s"] as const;

/** Everything a run is played with. */
export class Scene {
  readonly options: SceneOptions;
  readonly history: string;
  /** Proxies of the submitters, then of the workers; none where the store has no server. */
  readonly proxies: Proxy[] = [];
  readonly slots: Slot[] = [];
  readonly submitters: Hands[] = [];
  remote: RemoteMachine | undefined;
  /** Why no worker has a network of its own. */
  remoteSkipped: string | undefined;
  readonly #cleanup: (() => Promise<void> | void)[] = [];
  #server: StoreServer | undefined;
  #store: Store | undefined;

  constructor(options: SceneOptions) {
    this.options = options;
    const folder = serverFolder("fault");
    this.#cleanup.push(() => removeFolder(folder));
    this.history = join(folder, "history");
  }

  /** The server's place and what can be done to it. */
  get server(): StoreServer {
    if (!this.#server) throw new Error("The scene has not been set.");
    return this.#server;
  }

  /** The store, over a straight connection. */
  get store(): Store {
    if (!this.#store) throw new Error("The scene has not been set.");
    return this.#store;
  }

  /** Starts everything. */
  async set(): Promise<void> {
    const { kind, workers, remote } = this.options;
    const server = await startStoreServer(kind);
    this.#server = server;
    this.#cleanup.push(() => server.close());
    const store = await openStore(server.url, { runtime: systemRuntime });
    this.#store = store;
    this.#cleanup.push(() => store.close());
    for (const unavailableAfter of patiences) {
      const hands = await connect(await this.#urlThroughProxy(), { unavailableAfter });
      this.submitters.push(hands);
      this.#cleanup.push(() => hands.close());
    }
    for (let i = 0; i < workers; i++) this.#startWorker(await this.#urlThroughProxy());
    if (remote) await this.#startRemote();
  }

  /** Ends the submitters and workers in order, as programs end. */
  async end(): Promise<void> {
    await Promise.all(this.submitters.map((hands) => hands.close()));
    await Promise.all(this.slots.map((slot) => slot.close()));
  }

  /** Clears everything away, whatever state it is in. */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (const step of this.#cleanup.splice(0).toReversed()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `The run could not be cleared away: ${errors.join("; ")}`);
  }

  async #urlThroughProxy(host?: string): Promise<string> {
    const { network, url } = this.server;
    if (!network) return url;
    const random = seededRandom(this.options.seed + this.proxies.length);
    const proxy = await Proxy.start({ targetPort: network.port, random, ...(host !== undefined && { host }) });
    this.proxies.push(proxy);
    this.#cleanup.push(() => proxy.close());
    return network.urlThrough(proxy);
  }

  #startWorker(url: string, prefix: readonly string[] = []): void {
    const { leaseMs, finding } = this.options;
    const slot = new Slot({ url, history: this.history, leaseMs, prefix, finding });
    this.slots.push(slot);
    this.#cleanup.push(() => slot.close());
  }

  async #startRemote(): Promise<void> {
    const remote = this.server.network ? RemoteMachine.make() : { skip: "the store has no server" };
    if ("skip" in remote) {
      this.remoteSkipped = remote.skip;
      return;
    }
    this.remote = remote;
    this.#cleanup.push(() => remote.close());
    this.#startWorker(await this.#urlThroughProxy(remote.hostAddress), remote.prefix);
  }
}
