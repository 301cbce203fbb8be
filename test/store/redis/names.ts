// Names of stores on the tests' server: a fresh one for each store, its keys deleted when the file is over.
import { after } from "node:test";
import { Redis } from "ioredis";

let count = 0;

/** Gives names, and deletes what was stored under them at the end. */
export function namesOn(url: string): () => string {
  const prefix = `t${process.pid}-`;
  after(async () => {
    const client = new Redis(url);
    const keys: string[] = await client.keys(`{${prefix}*`);
    for (let i = 0; i < keys.length; i += 1000) await client.unlink(...keys.slice(i, i + 1000));
    await client.quit();
  });
  return () => {
    count += 1;
    return `${url}/0?name=${prefix}${count}`;
  };
}
