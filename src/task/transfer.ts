// Moving memory between threads instead of copying it. `transfer` marks buffers; an executor that runs the call on
// another thread asks `transfersIn` for the marked ones and moves them, and they are empty here from then on. An executor
// that sends text copies them like any others. A mark stays until its buffer has moved; marks belong to this thread.
//
// Shared memory is never marked (threads share it anyway), nor is memory that Node forbids to move, such as the pool
// that small Buffers are cut from.
import workerThreads from "node:worker_threads";

const marks = new WeakSet<ArrayBuffer>();
/** Every marked buffer, until it is known to have moved or to be gone. While it is empty, nothing has to be looked at. */
let waiting: WeakRef<ArrayBuffer>[] = [];
let callsUntilSettled = 0;

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function childrenOf(value: object): Iterable<unknown> {
  // A long array may have billions of holes, so it is taken by its keys.
  if (Array.isArray(value)) return value.length > 1024 ? Object.values(value) : (value as unknown[]);
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  if (value instanceof Set) return value;
  return isPlain(value) ? Object.values(value) : [];
}

/** The ordinary buffers in a value, each once. It keeps a stack of its own, because values may be deep. */
function buffersIn(root: unknown): Set<ArrayBuffer> {
  const found = new Set<ArrayBuffer>();
  const seen = new Set<unknown>();
  const stack: unknown[] = [root];
  while (stack.length > 0) {
    const value = stack.pop();
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    const buffer: unknown = ArrayBuffer.isView(value) ? value.buffer : value;
    if (buffer instanceof ArrayBuffer) found.add(buffer);
    if (buffer !== value || buffer instanceof ArrayBuffer) continue;
    for (const child of childrenOf(value)) if (typeof child === "object" && child !== null) stack.push(child);
  }
  return found;
}

/**
 * Marks the memory of `value` to be moved, not copied, to the thread that gets it, and returns `value` itself: a typed array
 * or ArrayBuffer, or arrays, plain objects, Maps and Sets that hold such. After it was sent the memory is empty here.
 * Works for arguments and, within a task, for results; where a value leaves the process it is copied all the same.
 *
 * @example
 * const sum = await pool.submit(total, transfer(new Float64Array(1_000_000)));
 */
export function transfer<T>(value: T): T {
  for (const buffer of buffersIn(value)) {
    if (marks.has(buffer) || buffer.detached || workerThreads.isMarkedAsUntransferable(buffer)) continue;
    marks.add(buffer);
    waiting.push(new WeakRef(buffer));
  }
  return value;
}

/** Forgets the buffers that have moved or are gone. It looks at all, so it runs once in as many calls as there are. */
function settle(): void {
  waiting = waiting.filter((reference) => reference.deref()?.detached === false);
  callsUntilSettled = waiting.length;
}

/** The buffers in `value` that {@link transfer} marked and that are still here, each once. A comparison while none are marked. */
export function transfersIn(value: unknown): ArrayBuffer[] {
  if (waiting.length === 0 || typeof value !== "object" || value === null) return [];
  callsUntilSettled -= 1;
  if (callsUntilSettled <= 0) settle();
  if (waiting.length === 0) return [];
  return [...buffersIn(value)].filter((buffer) => marks.has(buffer) && !buffer.detached);
}
