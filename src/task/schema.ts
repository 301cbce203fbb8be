// The part of the Standard Schema interface (standardschema.dev, version 1) that manyhands reads, so that Zod,
// Valibot, ArkType and others can check inputs and outputs without being a dependency.
import { UsageError } from "../core/errors.ts";

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

type Outcome<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly Issue[] };

/** Any Standard Schema (version 1). */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Outcome<Output> | Promise<Outcome<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

function describe(issue: Issue): string {
  const path = issue.path?.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  return path ? `${path}: ${issue.message}` : issue.message;
}

function unwrap(outcome: Outcome<unknown>, what: string): unknown {
  if (outcome.issues === undefined) return outcome.value;
  throw new UsageError(`${what} does not fit its schema: ${outcome.issues.map(describe).join("; ")}.`);
}

/** The schema's output for `value`; a promise only where the schema is asynchronous. Throws or rejects with {@link UsageError}. */
export function validate(schema: StandardSchema, value: unknown, what: string): unknown {
  const outcome = schema["~standard"].validate(value);
  return outcome instanceof Promise ? outcome.then((settled) => unwrap(settled, what)) : unwrap(outcome, what);
}
