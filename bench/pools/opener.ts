// From the description of a contender to what opens its pool.
import type { OpenPool } from "./contract.ts";

/** One contender. */
export interface Contender {
  readonly contender: "manyhands" | "piscina" | "tinypool" | "poolifier" | "workerpool" | "bare" | "bare-chunked" | "inline";
  readonly kind?: "thread" | "process";
  readonly options?: Readonly<Record<string, unknown>>;
}

/** What opens its pool; only its own package is loaded. */
export async function opener({ contender, kind = "thread", options = {} }: Contender): Promise<OpenPool> {
  switch (contender) {
    case "manyhands":
      return (await import("./manyhands.ts")).manyhands(kind);
    case "piscina":
      return (await import("./piscina.ts")).piscina(options);
    case "tinypool":
      return (await import("./piscina.ts")).tinypool(options);
    case "poolifier":
      return (await import("./poolifier.ts")).poolifier(kind, options);
    case "workerpool":
      return (await import("./workerpool.ts")).workerpool(kind);
    case "bare":
      return (await import("./bare.ts")).bare(kind, (options["inFlight"] as number | undefined) ?? Infinity);
    case "bare-chunked":
      return (await import("./bare.ts")).bareChunked(kind);
    case "inline":
      return (await import("./inline.ts")).inline;
  }
}
