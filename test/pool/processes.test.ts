// The ProcessPool passes the executor suite, and keeps the promises that only processes can make.
import { ProcessPool } from "../../src/pool/index.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";

executorConformance("ProcessPool", (wish) => new ProcessPool(wish), {
  skip: [{ reason: "Processes share no memory.", tests: ["shared memory passes by reference"] }],
});
