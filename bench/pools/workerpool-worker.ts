// workerpool's worker, in a thread or a child process.
import { peer } from "./contract.ts";
import { functions } from "./functions.ts";

const { default: library } = await peer<{ default: { worker(methods: typeof functions): void } }>("workerpool");
library.worker(functions);
