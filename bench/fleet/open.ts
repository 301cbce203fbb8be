// From a contender's name to its module. Only the one that is measured is loaded.
import type { Contender, Fleet, OpenFleet } from "./contract.ts";

/** Connects the contender. */
export async function openFleet({ contender, options, url }: Contender): Promise<Fleet> {
  const { open } = (await import(`./${contender}.ts`)) as { readonly open: OpenFleet };
  return open(url, options);
}
