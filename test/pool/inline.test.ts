// The InlinePool passes the executor suite, but for what would take ending the program it runs in.
import { InlinePool } from "../../src/pool/index.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";

executorConformance("InlinePool", ({ size, grace }) => new InlinePool({ concurrency: size, grace }), {
  skip: [
    {
      reason: "Nothing can stop a busy loop on the program's own event loop.",
      tests: [
        "a busy loop is cancelled by ending its thread or process",
        "a busy loop is timed out by ending its thread or process",
      ],
    },
    {
      reason: "The tasks run in the program itself: what ends it ends the program.",
      tests: [
        "process.exit() in a task fails that task, with the code",
        "a task whose worker dies is given out again as often as it says",
        "a death is not a failure: it uses up no retry",
        "the neighbours of a task that ends its worker run exactly once",
        "an error that nothing catches is told with its message",
      ],
    },
  ],
});
