// The program that measures one contender in one row.
import { give, told } from "../give.ts";
import { ballast } from "./ballast.ts";
import type { Contender } from "./contract.ts";
import { idle } from "./idle.ts";
import type { Sizes } from "./works.ts";
import { drain, recover, submit, submitInBulk, wake } from "./works.ts";

const works = { submit, bulk: submitInBulk, drain, wake, recover, idle, ballast };

const { work, ...rest } = told as Contender & Sizes & { readonly work: keyof typeof works };
give(await works[work](rest, rest));
// Whatever a contender still holds open, worker processes too, ends with this one's group.
process.exit(0);
