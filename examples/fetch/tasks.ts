// One task that waits, one that computes.
import { createHash } from "node:crypto";
import { context, task } from "manyhands";

/** Gets a page. A cancel or time-out aborts the request through the task's signal. */
export const download = task(
  "download",
  async (url: string): Promise<string> => {
    const response = await fetch(url, { signal: context().signal });
    if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
    return response.text();
  },
  { retries: 2, timeout: "10s" },
);

/** A slow fingerprint of a page: so many rounds of SHA-256. */
export const fingerprint = task(
  "fingerprint",
  (page: string, rounds: number): string => {
    let digest = Buffer.from(page);
    for (let i = 0; i < rounds; i++) digest = createHash("sha256").update(digest).digest();
    return digest.toString("hex");
  },
  { on: "thread" },
);
