// The pool of child processes.
import { UsageError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { show } from "../../core/show.ts";
import { checkOptions } from "../../core/suggest.ts";
import { processExecArgv } from "../exec-argv.ts";
import type { Size } from "../options.ts";
import { checkName, mergeEnv, resolveSize } from "../options.ts";
import type { PoolOptions } from "../pool.ts";
import { Pool } from "../pool.ts";
import { openProcesses } from "./link.ts";

/** Options of a {@link ProcessPool}. */
export interface ProcessPoolOptions extends PoolOptions {
  /** How many processes. Default `"auto"`: the cores this program really has. More than cores is fine for tasks that wait. */
  readonly size?: Size;
  /** Options of node for the processes, such as `--max-old-space-size=512`. Default: those of this program, less what says what it runs. */
  readonly execArgv?: readonly string[];
  /** Environment variables added to this program's own; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The title of the processes in `ps` and `top`. */
  readonly name?: string;
}

/**
 * Runs tasks in child processes, for work that may crash, leak or run out of memory: whatever ends a process ends nothing else.
 * Processes start when they are first needed, idle ones do not keep the program alive, and when the program ends, by SIGKILL even,
 * they end with it. They ignore SIGINT and SIGTERM, which a terminal or service manager sends to all: the program decides. Memory
 * cannot be shared with them.
 */
export class ProcessPool extends Pool {
  constructor(options: ProcessPoolOptions = {}) {
    checkOptions(options, ["size", "grace", "execArgv", "env", "name", "runtime"], "ProcessPool");
    const runtime = options.runtime ?? systemRuntime;
    const execArgv: unknown = options.execArgv ?? processExecArgv(process.execArgv);
    if (!Array.isArray(execArgv)) throw new UsageError(`ProcessPool execArgv must be a list of texts, found ${show(execArgv)}.`);
    const terms = {
      execArgv: execArgv.map(String),
      env: mergeEnv(options.env, "ProcessPool"),
      name: checkName(options.name, "ProcessPool"),
    };
    const crew = {
      noun: "process",
      crossing: "process",
      imports: true,
      size: resolveSize(options.size, "ProcessPool"),
      open: (idPrefix: string) => openProcesses(runtime, terms, idPrefix),
      overdue: "killed",
    } as const;
    super("ProcessPool", crew, options);
  }
}
