// I/O-bound work: it mostly waits, so far more may be in flight than there are cores. First requests only, on an InlinePool: to wait
// takes no thread. Then each page is also worked on: in a ThreadPool with more threads than cores, those that compute have the cores
// while the others wait.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { call } from "manyhands";
import { InlinePool, ThreadPool } from "manyhands/pool";
import { download, fingerprint } from "./fetch/tasks.ts";

const { values } = parseArgs({
  options: {
    pages: { type: "string", default: "100" },
    wait: { type: "string", default: "100" },
    rounds: { type: "string", default: "5000" },
    flight: { type: "string", default: "25" },
    threads: { type: "string", default: String(4 * availableParallelism()) },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("node examples/fetch.ts [--pages 100] [--wait 100 ms a page] [--rounds 5000 of SHA-256 a page]");
  console.log("                       [--flight 25 requests at a time] [--threads four a core]");
  process.exit();
}
const pages = Number(values.pages);
const waitMs = Number(values.wait);
const rounds = Number(values.rounds);
const flight = Number(values.flight);
const threads = Number(values.threads);

// A slow server of our own, on loopback only.
const server = createServer((request, response) => {
  setTimeout(() => response.end(`This is page ${request.url}. `.repeat(50)), waitMs);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
const urls = Array.from({ length: pages }, (_, page) => `http://127.0.0.1:${port}/${page}`);

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2).padStart(6)} s`;
const waitingMs = pages * waitMs;
console.log(`${pages} pages, ${waitMs} ms each`);
console.log(`${seconds(waitingMs)}  one request after the other`);

await using inline = new InlinePool({ concurrency: flight });
const inlineStart = performance.now();
const texts = await inline.map(download, urls);
console.log(`${seconds(performance.now() - inlineStart)}  InlinePool, ${flight} requests in flight`);

const loopStart = performance.now();
const expected = texts.map((text) => fingerprint(text, rounds));
const computingMs = performance.now() - loopStart;
console.log("\nand a fingerprint of each page");
console.log(`${seconds(waitingMs + computingMs)}  one after the other, of which ${(computingMs / 1000).toFixed(2)} s compute`);

await using pool = new ThreadPool({ size: threads });
const poolStart = performance.now();
const prints = await Promise.all(urls.map((url) => pool.submit(call(fingerprint, call(download, url), rounds))));
const cores = availableParallelism();
console.log(`${seconds(performance.now() - poolStart)}  ThreadPool, ${threads} threads on ${cores} cores, start-up included`);
if (!prints.every((print, index) => print === expected[index])) throw new Error("The threads gave other fingerprints.");

server.close();
server.closeAllConnections();
