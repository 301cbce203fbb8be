// The options of node that a pool's processes take over from this program: loaders and flags, not those that say what this
// program itself is to run, and not the debugger's, whose port it holds.

const own = /^(?:--inspect|--eval|--print|--interactive|--check|--test|--watch|--run|--build-sea|-[epicr]*[epic]$)/;
/** Options whose value is the next argument. */
const withValue: ReadonlySet<string> = new Set(["-e", "--eval", "-p", "--print", "-pe", "--run", "--build-sea"]);

/** Those of `execArgv` that a child process should have. */
export function inheritedExecArgv(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const option = execArgv[i] as string;
    if (withValue.has(option)) i += 1;
    else if (!own.test(option)) kept.push(option);
  }
  return kept;
}
