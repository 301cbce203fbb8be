// The ThreadPool passes the executor suite, and keeps the promises that only threads can make.
import { ThreadPool } from "../../src/pool/index.ts";
import { executorConformance } from "../../src/testing/executor-suite.ts";

executorConformance("ThreadPool", (wish) => new ThreadPool(wish));
