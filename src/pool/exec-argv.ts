// The options of node that a pool's workers take over from this program: loaders and flags, not those that say what this
// program itself is to run or how to read it, and not the debugger's, whose port it holds.

/** Options that are this program's own, with all that begin like them; and short ones, which may be written together. */
const own = /^(?:--inspect|--eval|--print|--input-type|--interactive|--check|--test|--watch|--run|--build-sea|-[epic]+$)/;
/** Those of them whose value is the next argument, unless it is written behind a "=". */
const ownWithValue =
  /^(?:-[pic]*e|--eval|--print|-p|--input-type|--run|--build-sea|--inspect-(?:port|publish-uid)|--watch-(?:path|kill-signal)|--test-(?:concurrency|coverage-.*|global-setup|isolation|name-pattern|reporter|reporter-destination|rerun-failures|shard|skip-pattern|timeout))$/;

/** Those of `execArgv` that a child process should have. */
export function processExecArgv(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const option = execArgv[i] as string;
    if (!own.test(option)) kept.push(option);
    else if (ownWithValue.test(option)) i += 1;
  }
  return kept;
}

/** Options that load or find modules, which is what a thread needs and may be given. */
const loading = /^(?:-r|--require|--import|-C|--conditions|--loader|--experimental-loader)(?:=|$)/;

/**
 * The options that a thread should have; undefined where it may simply inherit all of `execArgv`. A program that came by
 * `--input-type` is the exception: a thread that inherits this option refuses to start.
 */
export function threadExecArgv(execArgv: readonly string[]): string[] | undefined {
  if (!execArgv.some((option) => option.startsWith("--input-type"))) return undefined;
  const options = processExecArgv(execArgv);
  return options.filter((option, i) => loading.test(option) || (loading.test(options[i - 1] ?? "") && !option.startsWith("-")));
}
