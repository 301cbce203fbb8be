// `manyhands migrate`: makes a store or brings it to the current layout, or prints the SQL by which someone else can.
import type { Command } from "commander";
import { UsageError } from "../../core/errors.ts";
import type { CommonOptions, Run } from "../command.ts";
import { wholeNumber, withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../json.ts";
import { openHands, shownStore, storeUrl } from "../store.ts";

interface MigrateOptions extends CommonOptions {
  readonly sql?: boolean;
  readonly from?: number;
}

/** The SQL for the schema a URL names. Nothing is connected to. */
async function sqlFor(url: string, shown: string, from: number): Promise<string> {
  if (!/^postgres(ql)?:/.test(url)) {
    throw new UsageError(`--sql is for PostgreSQL stores; ${shown} needs no SQL: it is made and upgraded when it is opened.`);
  }
  const { migrationSql } = await import("../../store/postgres/migrate.ts");
  const { placeOf } = await import("../../store/postgres/url.ts");
  return migrationSql(placeOf(url).schema, from);
}

export function addMigrate(program: Command, run: Run): void {
  const command = program
    .command("migrate")
    .description("make the store, or bring it to the layout of this version; connecting does the same")
    .option("--sql", "print the SQL for a PostgreSQL store instead, for a user who may create tables")
    .option(
      "--from <layout>",
      "with --sql: the layout the store has, which doctor shows; default 0, no store yet",
      wholeNumber(0),
    );
  withCommonOptions(command).action((options: MigrateOptions) =>
    run(options, async (cli) => {
      const { output } = cli;
      if (options.from !== undefined && !options.sql) throw new UsageError("--from is for --sql. Leave it out.");
      if (options.sql) {
        const sql = await sqlFor(storeUrl(cli), shownStore(cli), options.from ?? 0);
        output.line(output.json ? toJson({ sql }) : sql.trimEnd());
        return exitCode.done;
      }
      await using hands = await openHands(cli);
      const { location, schema, engine } = await hands.info();
      if (output.json) output.line(toJson({ location, engine, layout: schema }));
      else output.line(`${location} has layout ${schema}, the one of this version.`);
      return exitCode.done;
    }),
  );
}
