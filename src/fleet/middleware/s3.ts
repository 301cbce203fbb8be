// Large texts as objects in a bucket of S3 or of a server that speaks its protocol. The client library is an optional peer dependency, loaded when
// the first large text comes, and typed by what is needed of it, so that programs without it compile.
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import { checkOptions } from "../../core/suggest.ts";
import type { Depot, DepotEntry } from "./depot.ts";

/** An `S3Client` of `@aws-sdk/client-s3`, as far as it is used. */
export interface S3Client {
  send(command: never): Promise<unknown>;
}

/** Which bucket, and how it is reached. */
export interface S3Options {
  readonly bucket: string;
  /** What the names of all objects begin with, such as `"jobs/"`. Default: nothing. */
  readonly prefix?: string;
  /** An `S3Client`, with the region, credentials and endpoint it is to use. Default: `new S3Client({})`, which takes them from the surroundings. */
  readonly client?: S3Client;
}

interface ObjectPlace {
  readonly Bucket: string;
  readonly Key: string;
}

type Command<Input> = new (input: Input) => unknown;

interface Library {
  readonly S3Client: new (options: object) => S3Client;
  readonly PutObjectCommand: Command<ObjectPlace & { readonly Body: Uint8Array }>;
  readonly GetObjectCommand: Command<ObjectPlace>;
  readonly DeleteObjectCommand: Command<ObjectPlace>;
  readonly ListObjectsV2Command: Command<{
    readonly Bucket: string;
    readonly Prefix: string;
    readonly ContinuationToken: string | undefined;
  }>;
}

interface Found {
  readonly Body: { transformToByteArray(): Promise<Uint8Array> };
}

interface Listed {
  readonly Contents?: readonly { readonly Key: string; readonly LastModified: Date }[];
  readonly NextContinuationToken?: string;
}

const packageName: string = "@aws-sdk/client-s3";

async function load(): Promise<Library> {
  try {
    return (await import(packageName)) as Library;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UsageError(
      `offload() to s3() needs the package "${packageName}", which is not installed. Install it: npm install ${packageName}`,
      {
        cause: error,
      },
    );
  }
}

class Bucket implements Depot {
  readonly place: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #given: S3Client | undefined;
  #loading: Promise<{ readonly library: Library; readonly client: S3Client }> | undefined;

  constructor({ bucket, prefix = "", client }: S3Options) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#given = client;
    this.place = `the bucket ${bucket}`;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#send(({ PutObjectCommand }) => new PutObjectCommand({ ...this.#at(name), Body: bytes }));
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      const found = await this.#send(({ GetObjectCommand }) => new GetObjectCommand(this.#at(name)));
      return await (found as Found).Body.transformToByteArray();
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return undefined;
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await this.#send(({ DeleteObjectCommand }) => new DeleteObjectCommand(this.#at(name)));
  }

  async *list(store: string): AsyncIterable<readonly DepotEntry[]> {
    let next: string | undefined;
    do {
      const from = { Bucket: this.#bucket, Prefix: `${this.#prefix}${store}/`, ContinuationToken: next };
      const listed = (await this.#send(({ ListObjectsV2Command }) => new ListObjectsV2Command(from))) as Listed;
      yield (listed.Contents ?? []).map(({ Key, LastModified }) => ({
        name: Key.slice(this.#prefix.length),
        writtenAt: LastModified.getTime(),
      }));
      next = listed.NextContinuationToken;
    } while (next !== undefined);
  }

  #at(name: string): ObjectPlace {
    return { Bucket: this.#bucket, Key: this.#prefix + name };
  }

  async #send(command: (library: Library) => unknown): Promise<unknown> {
    this.#loading ??= this.#load();
    const { library, client } = await this.#loading;
    return client.send(command(library) as never);
  }

  async #load(): Promise<{ readonly library: Library; readonly client: S3Client }> {
    const library = await load();
    return { library, client: this.#given ?? new library.S3Client({}) };
  }
}

/**
 * For `offload()`: objects in a bucket of S3, or of anything that speaks its protocol. Needs `npm install @aws-sdk/client-s3`. Several stores may
 * share a bucket.
 */
export function s3(options: S3Options): Depot {
  checkOptions(options ?? null, ["bucket", "prefix", "client"], "s3()");
  const { bucket, prefix = "", client } = options;
  if (typeof bucket !== "string" || bucket === "") throw new UsageError(`s3() bucket must be a name, found ${show(bucket)}.`);
  if (typeof prefix !== "string") throw new UsageError(`s3() prefix must be a text, found ${show(prefix)}.`);
  if (client !== undefined && typeof client?.send !== "function") {
    throw new UsageError(`s3() client must be an S3Client of ${packageName}, found ${show(client)}.`);
  }
  return new Bucket(options);
}
