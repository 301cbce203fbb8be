// The fourth layout: who stands before a gate does so by when it passed the one before.
import type { SchemaSql } from "./schema.ts";

/** The changes of the fourth layout. */
export const fourthLayout: SchemaSql = (s) => `
  ALTER TABLE ${s}.standing ADD COLUMN age bigint;     -- as a seq; null before its first gate, where it is as old as its seq
  DROP INDEX ${s}.standing_line;
  CREATE INDEX standing_line ON ${s}.standing (gate, rank, (coalesce(age, seq)));
`;
