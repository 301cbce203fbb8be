// Measures one pool in this process: which one, what work and which sizes come as the argument.
import { give, told } from "../give.ts";
import type { Figures } from "../row.ts";
import type { OpenPool } from "./contract.ts";
import type { Contender } from "./opener.ts";
import { opener } from "./opener.ts";
import type { HandOver, Sizes } from "./works.ts";
import { firstResult, mapOver, payload, submitAll } from "./works.ts";

/** The work a pool's process can be told to do. */
export type Work =
  | ({ readonly work: "submitAll" | "firstResult" } & Sizes)
  | ({ readonly work: "mapOver"; readonly way: "stream" | "all" } & Sizes)
  | ({ readonly work: "payload"; readonly way: HandOver } & Sizes);

function doWork(work: Work, open: OpenPool): Promise<Figures> {
  switch (work.work) {
    case "submitAll":
      return submitAll(open, work);
    case "mapOver":
      return mapOver(open, work);
    case "payload":
      return payload(open, work);
    case "firstResult":
      return firstResult(open);
  }
}

const what = told as Contender & Work;
give(await doWork(what, await opener(what)));
process.exit(0);
