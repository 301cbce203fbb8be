// Tasks that do many calls at once: a function takes a list of inputs and gives a list of outcomes. To everyone else each input is a call
// of its own, with its own result, retries and cancel. An executor gathers calls and runs them together as a call of the companion, a
// definition beside the task's own that takes and gives texts: so an outcome that cannot be sent fails its own call alone.
import { UsageError } from "../core/errors.ts";
import { show } from "../core/show.ts";
import { decode, encode } from "./codec.ts";
import type { Batch, TaskOptions } from "./options.ts";
import { validate } from "./schema.ts";
import type { Definition, Task } from "./task.ts";
import { defineTask } from "./task.ts";
import { encodeThrown } from "./thrown.ts";

/** What a companion gives for each of its texts: whether it is a result, and the codec's text of it or of the error. */
export type Told = readonly [isResult: boolean, text: string];

/** What a companion's name has after that of the task. A task's own name holds no spaces. */
export const companionSuffix = " together";

async function outcomesOf({ name, many }: Definition, inputs: readonly unknown[]): Promise<readonly unknown[]> {
  const outcomes: unknown = await many?.(inputs);
  if (Array.isArray(outcomes) && outcomes.length === inputs.length) return outcomes as unknown[];
  const found = Array.isArray(outcomes) ? `a list of ${outcomes.length}` : show(outcomes);
  throw new UsageError(
    `Task "${name}" was given ${inputs.length} inputs and must give a list of as many outcomes, in their order; found ${found}.`,
  );
}

async function tell({ name, options }: Definition, outcome: unknown): Promise<Told> {
  try {
    if (outcome instanceof Error) throw outcome;
    const result = options.output ? await validate(options.output, outcome, `The result of task "${name}"`) : outcome;
    return [true, encode(result, "result")];
  } catch (error) {
    return [false, encodeThrown(error)];
  }
}

/** Runs the calls whose arguments these are. What each of them is to be told is in its place. */
async function runTexts(definition: Definition, texts: readonly string[]): Promise<readonly Told[]> {
  const told: Told[] = [];
  const readable: { readonly place: number; readonly input: unknown }[] = [];
  for (const [place, text] of texts.entries()) {
    try {
      readable.push({ place, input: (decode(text) as readonly unknown[])[0] });
    } catch (error) {
      told[place] = [false, encodeThrown(error)];
    }
  }
  const outcomes = await outcomesOf(
    definition,
    readable.map(({ input }) => input),
  );
  await Promise.all(
    readable.map(async ({ place }, index) => {
      told[place] = await tell(definition, outcomes[index]);
    }),
  );
  return told;
}

const companions = new WeakMap<Definition, Definition>();

/** The definition that runs many calls of this task: it takes the texts of their lists of arguments. */
export function companionOf(definition: Definition): Definition {
  let companion = companions.get(definition);
  if (!companion) {
    const fn: Definition["fn"] = (texts) => runTexts(definition, texts as readonly string[]);
    companion = { ...definition, name: definition.name + companionSuffix, fn, options: {}, many: undefined };
    companions.set(definition, companion);
  }
  return companion;
}

/**
 * Defines a task that does many calls at once, such as rows to insert or texts to embed. `fn` takes a list of inputs, at most `batch.size`, and
 * gives a list of as many outcomes in their order: a result, or an Error for a call that failed (`snooze()` gives one for a call that is to
 * be run later). What it throws fails all of them. Each input is still a call of its own: `submit` and `map` take one input a call, and
 * only calls that failed are retried. A `timeout` is the batch's; a cancelled call ends at once, and the others go on. `context().id` is
 * the first call's. A call that was with a worker that died is run by itself.
 *
 * Throws {@link UsageError} as `task()` does.
 *
 * @example
 * export const insert = batchTask("insert", (rows: readonly Row[]) => database.insertMany(rows), { batch: { size: 500, wait: "20ms" } });
 * await hands.map(insert, rows);
 */
export function batchTask<Input, Outcome>(
  name: string,
  fn: (inputs: readonly Input[]) => readonly Outcome[] | PromiseLike<readonly Outcome[]>,
  options: TaskOptions<readonly [input: Input], Exclude<Outcome, Error>> & { readonly batch: Batch },
): Task<[input: Input], Exclude<Outcome, Error>, Promise<Exclude<Outcome, Error>>> {
  if (typeof fn !== "function") throw new UsageError(`Task "${name}" needs a function, found ${show(fn)}.`);
  const many = fn as unknown as NonNullable<Definition["many"]>;
  const alone = async (input: unknown): Promise<unknown> => {
    const [outcome] = await outcomesOf({ name, many } as Definition, [input]);
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  // Plain JavaScript may leave them out, and is told then what they must say.
  return defineTask(name, alone, options ?? {}, many) as unknown as Task<
    [input: Input],
    Exclude<Outcome, Error>,
    Promise<Exclude<Outcome, Error>>
  >;
}
