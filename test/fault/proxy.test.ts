// The proxy does what it says: each trouble on its own, against a server that sends back what it gets.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { until } from "../fixtures/support.ts";
import { Proxy } from "./proxy.ts";

interface Line {
  readonly proxy: Proxy;
  /** What the server got, on all connections. */
  readonly heard: () => string;
  readonly client: () => Promise<Client>;
  /** A client that does not go through the proxy. */
  readonly direct: () => Promise<Client>;
}

/** A client that keeps what it is told. */
class Client {
  readonly socket: Socket;
  heard = "";
  error = "";
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (data) => (this.heard += String(data)));
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code ?? ""));
    socket.on("close", () => (this.isClosed = true));
  }
}

async function line(t: TestContext): Promise<Line> {
  let heard = "";
  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      heard += String(data);
      socket.write(data);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const proxy = await Proxy.start({ targetPort: port, random: () => 0.5 });
  const clients: Client[] = [];
  t.after(async () => {
    for (const { socket } of clients) socket.destroy();
    await proxy.close();
    server.close();
  });
  const to = async (port: number): Promise<Client> => {
    const made = new Client(connect({ port, host: proxy.host }));
    clients.push(made);
    await until("it is connected or refused", () => made.isClosed || !made.socket.connecting);
    return made;
  };
  return { proxy, heard: () => heard, client: () => to(proxy.port), direct: () => to(port) };
}

async function ask(client: Client, text: string): Promise<number> {
  const before = performance.now();
  const all = client.heard + text;
  client.socket.write(text);
  await until(`the answer ${text} is there`, () => client.heard === all, 5000);
  return performance.now() - before;
}

test("what is written passes both ways, whatever its size, and an end passes on", async (t) => {
  const { client } = await line(t);
  const one = await client();
  await ask(one, "x".repeat(5_000_000));
  one.socket.end();
  await until("the connection is closed", () => one.isClosed);
  assert.equal(one.error, "");
});

test("delay holds each piece back, in both directions", async (t) => {
  const { proxy, client } = await line(t);
  const one = await client();
  proxy.set("both", { kind: "delay", ms: 40, jitterMs: 20 });
  const ms = await ask(one, "a");
  assert.ok(ms >= 95, `the answer took ${ms} ms`);
  proxy.heal();
  assert.ok((await ask(one, "b")) < 95);
});

test("slow traffic passes at its pace and in its order", async (t) => {
  const { proxy, client } = await line(t);
  const one = await client();
  proxy.set("up", { kind: "slow", bytesPerSecond: 20_000 });
  const ms = await ask(one, Array.from({ length: 1000 }, (_, i) => `${i},`).join(""));
  assert.ok(ms >= 150, `3,890 bytes took ${ms} ms`);
});

test("half-open: nothing passes and the sockets stay; what was held back follows", async (t) => {
  const { proxy, heard, client, direct } = await line(t);
  const one = await client();
  await ask(one, "a");
  proxy.set("both", { kind: "freeze" });
  one.socket.write("b");
  const late = await client();
  late.socket.write("c");
  // Time enough for what the proxy would let pass.
  const free = await direct();
  for (let i = 0; i < 50; i++) await ask(free, "-");
  assert.equal(heard().replaceAll("-", ""), "a");
  assert.ok(!one.isClosed && !late.isClosed);
  proxy.heal();
  await until("both are answered", () => one.heard === "ab" && late.heard === "c");
});

test("one direction only: the server hears and its answer does not come", async (t) => {
  const { proxy, heard, client } = await line(t);
  const one = await client();
  proxy.set("down", { kind: "freeze" });
  one.socket.write("a");
  await until("the server heard", () => heard() === "a");
  assert.equal(one.heard, "");
  proxy.reset();
  await until("the connection is broken", () => one.isClosed);
  assert.equal(one.error, "ECONNRESET");
  assert.equal(one.heard, "");
});

test("a reset breaks connections that are there, all or one, and no others", async (t) => {
  const { proxy, client } = await line(t);
  const [one, other] = [await client(), await client()];
  await ask(one, "a");
  await ask(other, "b");
  proxy.connections[0]?.reset();
  await until("one is broken", () => one.error === "ECONNRESET");
  await ask(other, "c");
  proxy.reset();
  await until("the other is broken", () => other.error === "ECONNRESET");
  await ask(await client(), "d");
  assert.equal(proxy.connections.length, 1);
});

test("refused: new connections are reset, those that are there go on", async (t) => {
  const { proxy, client } = await line(t);
  const one = await client();
  proxy.refuse(true);
  const refused = await client();
  await until("it is refused", () => refused.isClosed);
  await ask(one, "a");
  proxy.heal();
  await ask(await client(), "b");
});

test("a server that is not there breaks the connection", async (t) => {
  const proxy = await Proxy.start({ targetPort: 1 });
  t.after(() => proxy.close());
  const client = new Client(connect({ port: proxy.port, host: proxy.host }));
  await until("it is broken", () => client.isClosed);
  assert.equal(client.error, "ECONNRESET");
});
