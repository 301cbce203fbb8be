// How deep decoded values nest. A text of a few kilobytes can hold a value so deep that any code that recurses into it
// overflows the stack, so texts that are long enough to do that are checked. Nothing here recurses without a bound.

/** How deep values may nest; deeper ones are refused when they are sent and when they are read. */
export const maxDepth = 10_000;

/** Deeper values leave the fast path: engines recurse in JSON.stringify and structured clone, and give up at 1,700 or so. */
export const shallow = 200;

interface Level<Item> {
  readonly children: readonly Item[];
  next: number;
}

/** True when a walk from `root`, depth first and into each item once, comes more than `limit` items deep. */
export function exceedsDepth<Item>(root: Item, limit: number, childrenOf: (item: Item) => readonly Item[]): boolean {
  const seen = new Set<Item>([root]);
  const stack: Level<Item>[] = [{ children: childrenOf(root), next: 0 }];
  for (;;) {
    const top = stack[stack.length - 1];
    if (top === undefined) return false;
    if (top.next === top.children.length) {
      stack.pop();
      continue;
    }
    const child = top.children[top.next++] as Item;
    if (seen.has(child)) continue;
    if (stack.length === limit) return true;
    seen.add(child);
    stack.push({ children: childrenOf(child), next: 0 });
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isShallow(value: object, depth: number): boolean {
  if (depth > shallow) return false;
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) if (isObject(item) && !isShallow(item, depth + 1)) return false;
    return true;
  }
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (isObject(item) && !isShallow(item, depth + 1)) return false;
  }
  return true;
}

/** True when a value that JSON.parse made nests deeper than {@link maxDepth}. */
export function nestsTooDeep(value: object): boolean {
  return !isShallow(value, 1) && exceedsDepth(value, maxDepth, (each) => Object.values(each).filter(isObject));
}
