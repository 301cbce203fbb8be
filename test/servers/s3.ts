// A server that speaks as much of the protocol of S3 as large texts need: one bucket in memory. Signatures are not looked at.
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "node:test";

interface Stored {
  readonly body: Buffer;
  readonly at: Date;
}

/** A bucket that can be looked into. */
export interface Bucket {
  readonly endpoint: string;
  readonly objects: Map<string, Stored>;
  /** While true, everything is answered with 503. */
  down: boolean;
}

/** So few are listed at a time, so that there are several pages. */
const pageSize = 2;

function xml(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "application/xml" }).end(`<?xml version="1.0" encoding="UTF-8"?>${text}`);
}

function list({ objects }: Bucket, query: URLSearchParams, response: ServerResponse): void {
  const from = query.get("continuation-token") ?? "";
  const names = [...objects.keys()].filter((name) => name.startsWith(query.get("prefix") ?? "") && name > from).toSorted();
  const page = names.slice(0, pageSize);
  const contents = page.map(
    (name) => `<Contents><Key>${name}</Key><LastModified>${objects.get(name)?.at.toISOString()}</LastModified></Contents>`,
  );
  const more = names.length > page.length;
  const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
  xml(response, 200, `<ListBucketResult><IsTruncated>${more}</IsTruncated>${contents.join("")}${next}</ListBucketResult>`);
}

async function answer(bucket: Bucket, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", bucket.endpoint);
  const key = decodeURIComponent(url.pathname.split("/").slice(2).join("/"));
  const body = await buffer(request);
  if (bucket.down) return xml(response, 503, "<Error><Code>SlowDown</Code></Error>");
  if (key === "") return list(bucket, url.searchParams, response);
  if (request.method === "PUT") {
    bucket.objects.set(key, { body, at: new Date() });
    response.writeHead(200, { etag: '"etag"' }).end();
  } else if (request.method === "DELETE") {
    bucket.objects.delete(key);
    response.writeHead(204).end();
  } else {
    const found = bucket.objects.get(key);
    if (found) response.writeHead(200, { "content-length": found.body.length }).end(found.body);
    else xml(response, 404, "<Error><Code>NoSuchKey</Code><Message>There is none.</Message></Error>");
  }
}

/** Starts one, until the test ends. */
export async function startS3(t: TestContext): Promise<Bucket> {
  const bucket: Bucket = { endpoint: "http://127.0.0.1", objects: new Map(), down: false };
  const server = createServer((request, response) => {
    answer(bucket, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(bucket, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
