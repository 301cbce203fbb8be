// What an error of the server or of the connection means for the operation that met it.
import { StoreError, tooLargeCode } from "../../core/errors.ts";

/**
 * What became of an operation: the connection was lost after it was sent, it was never sent, the server cannot do it now (it did
 * nothing), the server does not know the script (it did nothing), or it is refused for good, with this error.
 */
export type Refusal = "lost" | "not sent" | "not now" | "unknown script" | StoreError;

const passing = /^(READONLY|MASTERDOWN|CLUSTERDOWN|LOADING|TRYAGAIN|MOVED|ASK|BUSY|UNBLOCKED|NOAUTH)\b/u;

/** The error without what was asked, which ioredis puts there: passwords and arguments are nobody's to log. */
export function bare(error: Error): Error {
  delete (error as { command?: unknown }).command;
  return error;
}

/** An error's message as a part of a sentence: without a period at its end. */
export function unended({ message }: Error): string {
  return message.replace(/\.+$/u, "");
}

function tooLarge(why: string, error: Error): StoreError {
  return new StoreError(
    `What was asked of the Redis server is too large ${why} (${unended(error)}). Ask for less at once, and let large values be kept elsewhere: ` +
      "see offload().",
    { cause: error },
    tooLargeCode,
  );
}

/** Reads an error of ioredis. */
export function refusalOf(withCommand: Error): Refusal {
  const error = bare(withCommand);
  if (error instanceof RangeError) return tooLarge("to be sent", error);
  if (error.name !== "ReplyError") return error.message.startsWith("Stream isn't writeable") ? "not sent" : "lost";
  const { message } = error;
  if (message.startsWith("NOSCRIPT")) return "unknown script";
  if (passing.test(message)) return "not now";
  if (/invalid bulk length|string exceeds maximum allowed size/u.test(message)) return tooLarge("for its settings", error);
  if (message.startsWith("OOM"))
    return new StoreError(
      "The Redis server has no memory left (maxmemory), so nothing was stored. Let ended jobs be pruned sooner, or raise maxmemory.",
      { cause: error },
    );
  if (message.startsWith("MISCONF"))
    return new StoreError(
      "The Redis server cannot write its snapshots, so it refuses changes. See its log; often the disk is full.",
      {
        cause: error,
      },
    );
  if (message.startsWith("NOPERM"))
    return new StoreError(`The Redis server does not let this user do what the store needs: ${unended(error)}.`, {
      cause: error,
    });
  return new StoreError(`The Redis server refused an operation: ${unended(error)}.`, { cause: error });
}
