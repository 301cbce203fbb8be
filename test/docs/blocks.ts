// Reads the fenced blocks of a page. What stands after the language says what becomes of a block:
//
//   ts                a module; run with Node. Its first line may name its file: `// tasks.ts`, perhaps followed by a colon and a remark
//   ts no-run         a module that is only compiled
//   sh run            commands; run by a shell in the folder of the page's files
//   text output       exactly what the block above printed on standard output
//
// All blocks of a page are files of one project, and run from top to bottom. Other blocks are text.

/** A block that is compiled, run or compared. */
export interface Block {
  readonly kind: "ts" | "sh" | "output";
  readonly run: boolean;
  /** The name of a module's file. */
  readonly file: string;
  readonly text: string;
  /** The line of the page at which its text starts, from 1. */
  readonly line: number;
}

function kindOf(info: string): Pick<Block, "kind" | "run"> | undefined {
  const [language = "", ...words] = info.split(/\s+/);
  if (language === "ts") return { kind: "ts", run: !words.includes("no-run") };
  if (language === "sh" && words.includes("run")) return { kind: "sh", run: true };
  if (language === "text" && words.includes("output")) return { kind: "output", run: false };
  return undefined;
}

/** The blocks of a page that this test cares for, in order. */
export function blocksOf(page: string): Block[] {
  const found: Block[] = [];
  let open: { readonly info: string; readonly line: number; readonly lines: string[] } | undefined;
  page.split("\n").forEach((text, index) => {
    if (open === undefined) {
      const fence = /^```(\S.*)?$/.exec(text);
      if (fence) open = { info: fence[1] ?? "", line: index + 2, lines: [] };
      return;
    }
    if (text !== "```") return void open.lines.push(text);
    const kind = kindOf(open.info);
    const name = /^\/\/ ([\w-]+(?:\/[\w-]+)*\.ts)(?::.*)?$/.exec(open.lines[0] ?? "")?.[1];
    if (kind) found.push({ ...kind, file: name ?? `line-${open.line}.ts`, text: `${open.lines.join("\n")}\n`, line: open.line });
    open = undefined;
  });
  if (open) throw new Error(`The block at line ${open.line} is not closed.`);
  return found;
}
