// What goes wrong with a server, told apart by the codes of PostgreSQL and of the system, and said in one line for people.
import { ManyhandsError, StoreError, StoreUnavailable } from "../../core/errors.ts";
import type { Place } from "./url.ts";

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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

/** True when an id to be added is stored. */
export function isTakenId(error: unknown): boolean {
  return codeOf(error) === "23505" && (error as { readonly constraint?: string }).constraint === "job_id";
}

/** True when the error carries this code. */
export function hasCode(error: unknown, code: string): boolean {
  return codeOf(error) === code;
}

const advice: Readonly<Record<string, string>> = {
  ENOTFOUND: "its name is not known. Check the host in the URL",
  EAI_AGAIN: "its name could not be looked up. Check the host in the URL and the network",
  ECONNREFUSED: "nothing listens there. Start the server, or check host and port in the URL",
  ENOENT: "there is no socket in that folder. Start the server, or check the host in the URL",
  EHOSTUNREACH: "the machine cannot be reached. Check host and network",
  ENETUNREACH: "the network cannot be reached. Check host and network",
  ETIMEDOUT: "it does not answer. Check host, port and firewall",
  ECONNRESET: "it closed the connection. Check that a PostgreSQL server listens there",
  "28P01": "user or password is wrong. Check both in the URL; characters such as @ / : # are written as %40 %2F %3A %23",
  "28000": "the server does not let this user in. Check the user in the URL and the server's pg_hba.conf",
  "3D000": "the database does not exist. Create it, or check the name in the URL",
  "42501": "this user lacks a right",
  "53300": "it has too many connections. Raise max_connections or put a pooler in between",
};

/** The error for a server that cannot be used when the store is opened. */
export function openError(error: unknown, { server }: Place): Error {
  if (error instanceof ManyhandsError) return error;
  const known = advice[codeOf(error)];
  const noPassword = messageOf(error).includes("password must be a");
  const why = noPassword ? "it asks for a password and the URL has none" : (known ?? messageOf(error));
  const isAnswer = isSqlState(codeOf(error)) || noPassword;
  const message = `The PostgreSQL server ${server} cannot be used: ${why}.`;
  return isAnswer ? new StoreError(message, { cause: error }) : new StoreUnavailable(message, { cause: error });
}

/** The error for a verb that failed at an answer of the server. */
export function asStoreError(error: unknown, { location }: Place): Error {
  if (error instanceof ManyhandsError) return error;
  return new StoreError(`The store on ${location} failed: ${messageOf(error)}.`, { cause: error });
}
