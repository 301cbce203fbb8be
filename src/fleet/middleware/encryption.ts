// Middleware that encrypts what is stored: AES-256-GCM, a fresh nonce of 96 bits for each text. What is stored says which key it takes:
// `<id of the key>:<nonce, ciphertext and tag in base64url>`. The tag also covers what the text is, and of which job, so that whoever can write to
// the store can neither change a text nor put it elsewhere. A result is not bound to its job, since a store gives results to the jobs
// that need them without saying whose they are.
import type { KeyObject } from "node:crypto";
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync } from "node:crypto";
import { SealError, UsageError } from "../../core/errors.ts";
import { secureBytes } from "../../core/runtime.ts";
import { checkOptions, didYouMean } from "../../core/suggest.ts";
import type { About, Middleware } from "./middleware.ts";

/** 32 random bytes: themselves, in base64 or in hexadecimal digits. */
export type EncryptionKey = Uint8Array | string;

/** How texts are encrypted. */
export interface EncryptionOptions {
  /**
   * The keys by their ids, such as `{ "2026-11": key }`. All of them open; add new ones at the end, since unique keys are concealed by the
   * first. Make one with `openssl rand -base64 32`. Take a new one before some four billion texts.
   */
  readonly keys: Readonly<Record<string, EncryptionKey>>;
  /** The id of the key that encrypts from now on. */
  readonly current: string;
  /** Also takes texts that are not encrypted, while there are jobs from before. Whoever can write to the store can then forge them. Default false. */
  readonly acceptPlain?: boolean;
}

const algorithm = "aes-256-gcm";
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

function bytesOf(key: unknown): Uint8Array | undefined {
  if (key instanceof Uint8Array) return key;
  if (typeof key !== "string") return undefined;
  if (/^[\da-f]{64}$/i.test(key)) return Buffer.from(key, "hex");
  return /^[\w+/-]{43}=?$/.test(key) ? Buffer.from(key, "base64") : undefined;
}

// Whatever is wrong with a key, it is not shown.
function keyOf(id: string, key: unknown): KeyObject {
  if (!/^[\w.-]{1,64}$/.test(id)) throw new UsageError("encryption() keys: the id of a key has 1 to 64 letters, digits or _ - .");
  const bytes = bytesOf(key);
  if (bytes?.length === keyBytes) return createSecretKey(bytes);
  throw new UsageError(
    `encryption() keys: "${id}" must be ${keyBytes} random bytes, as bytes, base64 or hexadecimal digits. Make some: openssl rand -base64 32`,
  );
}

function keysOf(given: unknown): ReadonlyMap<string, KeyObject> {
  if (typeof given !== "object" || given === null)
    throw new UsageError("encryption() keys must be an object of keys by their ids.");
  return new Map(Object.entries(given).map(([id, key]) => [id, keyOf(id, key)]));
}

/** What the tag covers beside the text. */
function bound(keyId: string, { kind, job, name }: About): Buffer {
  return Buffer.from(JSON.stringify(["manyhands", keyId, kind, kind === "result" ? null : job, name ?? null]));
}

function encrypt(text: string, keyId: string, key: KeyObject, about: About): string {
  const nonce = secureBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce);
  cipher.setAAD(bound(keyId, about));
  const parts = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
  return `${keyId}:${Buffer.concat(parts).toString("base64url")}`;
}

function decrypt(bytes: Buffer, keyId: string, key: KeyObject, about: About): string {
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(bound(keyId, about));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString("utf8");
}

function open(sealed: string, keys: ReadonlyMap<string, KeyObject>, about: About): string {
  const end = sealed.indexOf(":");
  const keyId = sealed.slice(0, Math.max(0, end));
  const key = keys.get(keyId);
  if (!key && !/^[\w.-]{1,64}$/.test(keyId)) throw new SealError("The encrypted text is damaged: it names no key.");
  if (!key) {
    const has = [...keys.keys()].map((id) => `"${id}"`).join(", ");
    throw new SealError(
      `A text (${about.kind}) is encrypted with the key "${keyId}", which this program was not given: it has ${has}. Add that key to the keys of encryption().`,
    );
  }
  const bytes = Buffer.from(sealed.slice(end + 1), "base64url");
  if (bytes.length < nonceBytes + tagBytes) throw new SealError("The encrypted text is damaged: it is too short.");
  try {
    return decrypt(bytes, keyId, key, about);
  } catch (cause) {
    throw new SealError(
      `The encrypted text does not fit the key "${keyId}", or was changed, or belongs to another job: it is refused.`,
      { cause },
    );
  }
}

/**
 * Middleware that encrypts arguments, results, errors, progress, steps, signals and schedules, with AES-256-GCM. Names of tasks and queues, ids, times,
 * reasons of cancellations, keys of limits, and the lengths of texts stay readable; of a unique key only an HMAC is stored. Every program that
 * submits, works or looks needs the keys. Throws a UsageError for keys that are none. It costs some µs for each text.
 *
 * @example
 * connect(url, { use: [encryption({ keys: { "2026-11": process.env.JOB_KEY }, current: "2026-11" })] });
 */
export function encryption(options: EncryptionOptions): Middleware {
  checkOptions(options ?? null, ["keys", "current", "acceptPlain"], "encryption()");
  const { current, acceptPlain = false } = options;
  if (typeof acceptPlain !== "boolean") throw new UsageError("encryption() acceptPlain is true or false.");
  const keys = keysOf(options.keys);
  const key = keys.get(current);
  if (!key)
    throw new UsageError(`encryption() current must be the id of one of its keys. ${didYouMean(String(current), keys.keys())}`);
  const [first = key] = keys.values();
  const concealing = new Uint8Array(hkdfSync("sha256", first, "", "manyhands unique keys", keyBytes));
  return {
    name: "encryption",
    sealsAll: !acceptPlain,
    seal: (text, about) => encrypt(text, current, key, about),
    open: (sealed, about) => open(sealed, keys, about),
    conceal: (unique) => createHmac("sha256", concealing).update(unique).digest("base64url"),
  };
}
