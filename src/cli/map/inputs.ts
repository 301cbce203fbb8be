// The inputs of `manyhands map`: arguments, glob patterns, lines of standard input, lines of a file. They are read as a stream, so
// that a million lines need no memory; only what the shell or a pattern has listed is held. Nothing given is left out in silence:
// a pattern without a match, a file that is not there or a line that is not JSON ends the command.
import { createReadStream, existsSync, fstatSync, globSync, statSync } from "node:fs";
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";

/** One input: the value shown with its result, and the arguments made of it. */
export interface MapInput {
  readonly value: unknown;
  readonly args: readonly unknown[];
}

/** What was given on the command line. */
export interface GivenInputs {
  /** Texts, glob patterns, and "-" for the lines of standard input. */
  readonly texts: readonly string[];
  /** A file of JSON lines, or "-". */
  readonly jsonl: string | undefined;
  /** Read texts and lines as JSON. */
  readonly asJson: boolean;
  /** The items of each array are the arguments of one call. */
  readonly spread: boolean;
  /** Take glob patterns for what they are. */
  readonly literal: boolean;
}

/** Inputs, not yet read. */
export interface MapInputs extends AsyncIterable<MapInput> {
  /** How many there are, where that is known before they have been read. */
  readonly total: number | undefined;
}

const longestLine = 2 ** 28;

/** The lines of a stream, without their ends and without a byte order mark. Holds one chunk and one line. */
export async function* linesOf(stream: AsyncIterable<string>): AsyncGenerator<string> {
  let parts: string[] = [];
  let length = 0;
  let first = true;
  const take = (end: string): string => {
    const whole = parts.join("") + end;
    const line = first ? whole.replace(/^\uFEFF/, "") : whole;
    parts = [];
    length = 0;
    first = false;
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  };
  for await (const chunk of stream) {
    const lines = chunk.split("\n");
    const rest = lines.pop() ?? "";
    for (const line of lines) yield take(line);
    parts.push(rest);
    length += rest.length;
    if (length > longestLine)
      throw new UsageError(
        `An input has a line of more than ${longestLine} characters. Each input is a line that ends with a line feed.`,
      );
  }
  if (length > 0) yield take("");
}

const magic = /[*?[\]{}]/;

function isPattern(text: string): boolean {
  // A URL with a query is no pattern, nor is the name of a file that is there.
  return magic.test(text) && !text.includes("://") && !existsSync(text);
}

function expand(texts: readonly string[], literal: boolean): readonly string[] {
  return texts.flatMap((text) => {
    if (literal || !isPattern(text)) return [text];
    const found = globSync(text).sort();
    if (found.length > 0) return found;
    throw new UsageError(`No file matches the pattern ${show(text)}. To pass the text itself, add --literal.`);
  });
}

function fileStream(path: string): AsyncIterable<string> {
  const found = path === "-" ? fstatSync(0) : statSync(path, { throwIfNoEntry: false });
  if (!found) throw new UsageError(`There is no file ${show(path)} to read inputs from.`);
  if (found.isDirectory())
    throw new UsageError(`${path === "-" ? "Standard input" : show(path)} is a folder; inputs are read from a file.`);
  return path === "-" ? process.stdin.setEncoding("utf8") : createReadStream(path, { encoding: "utf8", highWaterMark: 1 << 18 });
}

/** How many lines of a plain file are not blank. A pipe cannot be read twice: undefined. */
async function countLines(path: string): Promise<number | undefined> {
  if (path === "-" || !statSync(path).isFile()) return undefined;
  let count = 0;
  for await (const line of linesOf(fileStream(path))) if (line.trim() !== "") count += 1;
  return count;
}

function parse(text: string, where: () => string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${where()} is not JSON: ${show(text)}. Give one JSON value a line.`, { cause });
  }
}

function inputOf(value: unknown, spread: boolean, where: () => string): MapInput {
  if (!spread) return { value, args: [value] };
  if (Array.isArray(value)) return { value, args: value };
  throw new UsageError(`${where()} is not an array: ${show(value)}. With --spread each input is an array of arguments.`);
}

async function* jsonLines(path: string, stream: AsyncIterable<string>, spread: boolean): AsyncGenerator<MapInput> {
  let number = 0;
  const where = (): string => `Line ${number} of ${path === "-" ? "standard input" : show(path)}`;
  for await (const line of linesOf(stream)) {
    number += 1;
    if (line.trim() !== "") yield inputOf(parse(line, where), spread, where);
  }
}

async function* texts(given: readonly string[], { asJson, spread }: GivenInputs): AsyncGenerator<MapInput> {
  for (const text of given) {
    if (text === "-") {
      if (asJson) yield* jsonLines("-", fileStream("-"), spread);
      else for await (const line of linesOf(fileStream("-"))) yield { value: line, args: [line] };
    } else {
      const where = (): string => "This input";
      yield asJson ? inputOf(parse(text, where), spread, where) : { value: text, args: [text] };
    }
  }
}

/** Makes the inputs ready to be read. Rejects with UsageError for what can be known to be wrong before anything runs. */
export async function openInputs(given: GivenInputs): Promise<MapInputs> {
  const { jsonl, literal, spread } = given;
  if (jsonl !== undefined) {
    if (given.texts.length > 0) throw new UsageError("Give inputs either as arguments or with --jsonl, not both.");
    const stream = fileStream(jsonl);
    return Object.assign(jsonLines(jsonl, stream, spread), { total: await countLines(jsonl) });
  }
  if (given.texts.length === 0)
    throw new UsageError('There are no inputs. Give arguments, "-" for the lines of standard input, or --jsonl <file>.');
  if (spread && !given.asJson)
    throw new UsageError("--spread needs inputs that are arrays: use it with --jsonl <file> or --as json.");
  const dashes = given.texts.filter((text) => text === "-").length;
  if (dashes > 1) throw new UsageError('Standard input can be read once: give "-" once.');
  const expanded = given.asJson ? given.texts : expand(given.texts, literal);
  return Object.assign(texts(expanded, given), { total: dashes === 0 ? expanded.length : undefined });
}
