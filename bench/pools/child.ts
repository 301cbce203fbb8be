// Measures one pool in this process: which one, what work and which sizes come as the argument.
import { give, told } from "../give.ts";
import type { Figures } from "../row.ts";
import type { OpenPool } from "./contract.ts";
import type { HandOver, Sizes } from "./works.ts";
import { compute, firstResult, mapOver, payload, roundTrip, submitAll } from "./works.ts";

/** The work a pool's process can be told to do. */
export type Work =
  | ({ readonly work: "submitAll" | "roundTrip" | "compute" | "firstResult" } & Sizes)
  | ({ readonly work: "mapOver"; readonly way: "stream" | "all" } & Sizes)
  | ({ readonly work: "payload"; readonly way: HandOver } & Sizes);

/** The contender it is told to do it with. */
export interface Contender {
  readonly contender: "manyhands" | "piscina" | "tinypool" | "poolifier" | "workerpool" | "bare" | "bare-chunked" | "inline";
  readonly kind?: "thread" | "process";
  readonly options?: Readonly<Record<string, unknown>>;
}

async function opener({ contender, kind = "thread", options = {} }: Contender): Promise<OpenPool> {
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

function doWork(work: Work, open: OpenPool): Promise<Figures> {
  switch (work.work) {
    case "submitAll":
      return submitAll(open, work);
    case "mapOver":
      return mapOver(open, work);
    case "roundTrip":
      return roundTrip(open, work);
    case "compute":
      return compute(open, work);
    case "payload":
      return payload(open, work);
    case "firstResult":
      return firstResult(open);
  }
}

const what = told as Contender & Work;
give(await doWork(what, await opener(what)));
process.exit(0);
