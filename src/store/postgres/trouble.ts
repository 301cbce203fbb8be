// What goes wrong with a server, told apart by the codes of PostgreSQL and of the system, and said in one line for people.
import { ManyhandsError, StoreError, StoreUnavailable, tooLargeCode } from "../../core/errors.ts";
import { isLasting, networkTrouble } from "../network/trouble.ts";
import type { Place } from "./url.ts";

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").replace(/\.$/, "");
}

/** True for a code of PostgreSQL's own: the server answered. */
function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && code !== "EPIPE";
}

/** True when the connection has ended with this error, or is about to. */
export function isCut(error: unknown): boolean {
  const code = codeOf(error);
  return !isSqlState(code) || code.startsWith("08") || code.startsWith("57P");
}

/** True while a server is starting, stopping or full: it can be tried again. */
export function isNotReady(error: unknown): boolean {
  return ["57P03", "57P01", "57P02", "53300"].includes(codeOf(error));
}

/** True when the same transaction may succeed when it is tried again. */
export function isTransient(error: unknown): boolean {
  return ["40001", "40P01"].includes(codeOf(error));
}

/** True when a lock that someone else has was waited for long enough. */
export function isHeldUp(error: unknown): boolean {
  return codeOf(error) === "55P03";
}

/** True when a unique key is held by a job of which the transaction did not know. */
export function isTakenKey(error: unknown): boolean {
  return codeOf(error) === "23505" && (error as { readonly constraint?: string }).constraint === "holder_pkey";
}

/** True when an id to be added is stored. */
export function isTakenId(error: unknown): boolean {
  return codeOf(error) === "23505" && (error as { readonly constraint?: string }).constraint === "job_id";
}

/** True when the error carries this code. */
export function hasCode(error: unknown, code: string): boolean {
  return codeOf(error) === code;
}

const advice: Readonly<Record<string, string>> = {
  "28P01": "user or password is wrong. Check both in the URL; characters such as @ / : # are written as %40 %2F %3A %23",
  "28000": "the server does not let this user in. Check the user in the URL and the server's pg_hba.conf",
  "3D000": "the database does not exist. Create it, or check the name in the URL",
  "42501": "this user lacks a right",
  "55P03":
    "a transaction that is still open holds what this needs: in it a job was submitted with the same unique key, or with a dependency. " +
    "End that transaction; manyhands doctor names it",
  "53300": "it has too many connections. Raise max_connections or put a pooler in between",
};

// What the client library, and the server in many cases under one code, say only in words.
const adviceByWords: readonly (readonly [words: RegExp, advice: string])[] = [
  [/password must be a/, "it asks for a password and the URL has none"],
  [
    /does not support SSL|establishing an SSL connection/,
    "it does not speak TLS, which the URL asks for. Switch it on in the server (ssl = on), or take sslmode out of the URL",
  ],
  [
    /no pg_hba\.conf entry.*(?:no encryption|SSL off)/s,
    "it does not let this user in without TLS. Add sslmode=verify-full to the URL, or change the server's pg_hba.conf",
  ],
  [/valid client certificate/, "it asks for a client's certificate. Add sslcert and sslkey to the URL"],
];

function reasonFor(error: unknown): string | undefined {
  const words = adviceByWords.find(([pattern]) => pattern.test(messageOf(error)))?.[1];
  return words ?? advice[codeOf(error)];
}

/** The error for a server that cannot be used when the store is opened. */
export function openError(error: unknown, { server }: Place): Error {
  if (error instanceof ManyhandsError) return error;
  const reason = reasonFor(error);
  const why = reason ?? networkTrouble(error, "sslrootcert=/path/ca.pem") ?? oneLine(messageOf(error));
  const message = `The PostgreSQL server ${server} cannot be used: ${why}.`;
  const isFinal = reason !== undefined || isSqlState(codeOf(error)) || isLasting(error);
  return isFinal ? new StoreError(message, { cause: error }) : new StoreUnavailable(message, { cause: error });
}

/** True for what no try will store. */
function isTooLarge(error: unknown): boolean {
  return (
    codeOf(error) === "54000" || /invalid memory alloc request size|out of memory.*enlarge string buffer/i.test(messageOf(error))
  );
}

/** The error for a verb that failed at an answer of the server. */
export function asStoreError(error: unknown, { location }: Place): Error {
  if (error instanceof ManyhandsError) return error;
  if (isTooLarge(error)) {
    const what = `What was asked of the store on ${location} is too large for it (${oneLine(messageOf(error))})`;
    return new StoreError(`${what}. Let large values be kept elsewhere: see offload().`, { cause: error }, tooLargeCode);
  }
  const why = isHeldUp(error) ? (reasonFor(error) ?? "") : messageOf(error);
  return new StoreError(`The store on ${location} failed: ${why}.`, { cause: error });
}
