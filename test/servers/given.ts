// The servers as a test file sees them. Without one a test is skipped and says why; under CI it fails, since there it would
// be skipped for ever and nobody would notice.
import { postgresVariable, redisVariable } from "./start.ts";

/** The URL of a server, or the reason why the tests that need it are skipped. */
export type Given = { readonly url: string } | { readonly skip: string };

function given(variable: string, what: string): Given {
  const url = process.env[variable];
  if (url) return { url };
  const skip = `no ${what} server: run the tests with npm test, which starts one where it is installed, or set ${variable}`;
  if (process.env["CI"]) throw new Error(skip);
  return { skip };
}

export const givenPostgres = (): Given => given(postgresVariable, "PostgreSQL");
export const givenRedis = (): Given => given(redisVariable, "Redis");
