// Reads a Dockerfile, as far as its tests look into it: stages and their instructions.

/** One instruction; `args` are its words, or the strings of its JSON array. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
  readonly json: boolean;
  readonly args: readonly string[];
}

/** What stands between one FROM and the next. */
export interface Stage {
  readonly image: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** What a COPY takes, and from where: the build context, or a stage. */
export interface Copy {
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

function readInstruction(line: string): Instruction {
  const [, name = "", text = ""] = /^(\w+)\s+(.*)$/s.exec(line) ?? [];
  if (name !== name.toUpperCase()) throw new Error(`An instruction is written in capitals: ${line}`);
  const json = text.startsWith("[");
  return { name, text, json, args: json ? (JSON.parse(text) as string[]) : text.split(/\s+/) };
}

/** The stages of a Dockerfile, in order. */
export function stagesOf(text: string): Stage[] {
  const lines = text
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n");
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const instruction of lines.map(readInstruction)) {
    if (instruction.name === "FROM") {
      const [image = "", as, name] = instruction.args;
      stages.push({ image, name: as === "AS" ? name : undefined, instructions: [] });
    } else {
      const stage = stages.at(-1);
      if (!stage) throw new Error(`A Dockerfile begins with FROM, not with ${instruction.name}.`);
      stage.instructions.push(instruction);
    }
  }
  return stages;
}

/** The last instruction of this name: the one that counts. */
export function last(stage: Stage, name: string): Instruction | undefined {
  return stage.instructions.findLast((instruction) => instruction.name === name);
}

/** What a stage copies, in order. */
export function copiesOf(stage: Stage): Copy[] {
  return stage.instructions
    .filter(({ name }) => name === "COPY")
    .map(({ args }) => {
      const from = args.find((arg) => arg.startsWith("--from="))?.slice("--from=".length);
      const paths = args.filter((arg) => !arg.startsWith("--"));
      return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? "" };
    });
}
