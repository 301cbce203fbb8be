// What users of other task queues complain of, and the tests that show it cannot happen here. Each title is looked up in its file, so a
// test that is renamed or deleted is missed at once. Left out: complaints about brokers with AMQP, dashboards, and recycling of workers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

type Proof = readonly [file: string, title: string];

const fleet = "test/fleet";
const stores = "src/testing/store-suite";
const executors = "src/testing/executor-suite";

const complaints: Readonly<Record<string, readonly Proof[]>> = {
  "celery#2599, #5306, #5935, #3270, kombu#337: long jobs and jobs with an ETA run twice, lost ones wait an hour": [
    [
      `${fleet}/backlog.test.ts`,
      "a job that runs for hours, and one that is due in hours, start once, whatever their leases last",
    ],
    [`${fleet}/worker.test.ts`, "the jobs of a worker killed with SIGKILL run again, with default settings within 15 s"],
  ],
  "celery#8030, #8082, #8091, #10205, bullmq#3185, #2466, #1656, #452: a worker silently stops consuming after a reconnect": [
    [`${fleet}/watchdog.test.ts`, "a worker that has room and is not given a job that waits connects anew, and says so"],
    ["test/store/postgres/cuts.test.ts", "a lost listening connection costs wake-ups only, and is made up for"],
    ["test/store/redis/link.test.ts", "stores on one server wake each other, also after the listening connection was cut"],
  ],
  "celery#9674, #6029, #1700, #2725, #3246: the body of a chord never runs": [
    [`${fleet}/flows.test.ts`, "with workers that crash, joins get every outcome and callbacks run"],
    [`${executors}/flows.ts`, "however a member ends, its join is not left waiting"],
  ],
  "celery#6552, #7874, #3884: no async functions": [
    [`${executors}/values.ts`, "results of synchronous and asynchronous tasks arrive"],
  ],
  "celery#4300, #2620, #8888, hatchet#1010: a revoke is lost with a restart, and stops nothing from outside": [
    [`${fleet}/control.test.ts`, "a cancel is not lost with a restart: it outlives its caller and the worker"],
    [`${executors}/stopping.ts`, "a busy loop is cancelled by ending its thread or process"],
  ],
  "celery#251, #1495, #4808, #2856, django-celery-beat#337: the scheduler is a singleton": [
    [`${fleet}/schedules/workers.test.ts`, "any worker fires, and no program has to run for it alone"],
    [`${fleet}/schedules/kill.test.ts`, "every tick fires exactly once"],
  ],
  "celery#5732, #4614: a rate limit is each worker's own": [
    [`${fleet}/limits/limits.test.ts`, "two workers together never exceed a rate, and no attempt is spent on waiting for it"],
  ],
  "celery#1628: the job of a worker that was killed for its memory is lost, or kills one after the other": [
    [`${fleet}/kill.test.ts`, "kills of submitters and workers lose nothing that was acknowledged"],
    [`${fleet}/worker.test.ts`, "a job that kills its worker again and again is set aside"],
    [`${fleet}/worker.test.ts`, "the neighbours of a job that kills its worker are done all the same"],
  ],
  "celery#9849, #2541, #10384: jobs with an ETA fill the worker's memory": [
    [`${fleet}/backlog.test.ts`, "of jobs that are not due, however many, a worker holds none"],
  ],
  "celery#3596, #4450: PENDING means unknown or waiting": [
    [
      `${fleet}/control.test.ts`,
      "a job that waits, one that is not due, one that nobody can take and one that is unknown are told apart",
    ],
  ],
  "celery#5000, #5286, #3571: what is stored of a graph grows with the square of its size": [
    [`${fleet}/flows.test.ts`, "a graph is stored once, in one add, and costs in proportion to its calls"],
  ],
  "celery#3802, #3653, #5998: jobs are lost or doubled by a deploy": [
    [`${fleet}/worker.test.ts`, "SIGTERM gives back what cannot finish, and the attempt is not counted"],
  ],
  "bullmq#631, #651, #3282, bull#412, #1685, #2188, #2601: a blocked event loop stalls a job, which runs twice": [
    [`${fleet}/worker.test.ts`, "a blocked event loop is reported with task and line, and loses nothing"],
  ],
  "bullmq#1322, #1510, #2269, #273: limits for groups cost extra": [
    [`${fleet}/limits/limits.test.ts`, "with a key, so many of each key"],
    [`${fleet}/limits/limits.test.ts`, "a burst of 1 spreads starts evenly; a key has a bucket of its own"],
  ],
  "bullmq#136, #677, #1289: no time-outs, no cancel": [
    [`${executors}/stopping.ts`, "a busy loop is timed out by ending its thread or process"],
    [`${executors}/stopping.ts`, "what ignores its signal is ended after the grace period"],
  ],
  "bullmq#3362, #3122, #800, #1333, #1752, #2229, #3587: a parent stays in waiting-children": [
    [`${executors}/flows.ts`, "a join fails with the way down to the member that failed"],
    [`${fleet}/flows.test.ts`, "a member that is cancelled or whose worker is lost ends its join as the policy says"],
    [`${fleet}/flows.test.ts`, "a retry of the root runs what is not done, through collect and skip and three levels"],
  ],
  "bullmq#366, #2734, #3087, bull#416, #840, #1909: ended jobs fill the memory of the server": [
    [`${stores}/upkeep.ts`, "ended jobs are pruned when they were kept long enough, up to the limit"],
    ["test/store/redis/layout.test.ts", "nothing is left of jobs that are gone"],
    ["test/store/redis/link.test.ts", "a server without memory refuses submits with one clear line, and still takes outcomes"],
  ],
  "bullmq#393, #1345, #2889, #3499, #1489, bull#612: repeatable jobs stop or double after a deploy": [
    [`${fleet}/schedules/declare.test.ts`, "defined again by every program that starts, it neither doubles nor shifts"],
  ],
  "pg-boss#126, #228, #418, river#785, oban#364, hatchet#2604, #2538: fetching is slow behind a backlog, and idle workers keep asking":
    [
      ["test/store/postgres/backlog.test.ts", "a claim reads no more rows behind a backlog of 100,000 and as many ended ones"],
      [`${fleet}/routing.test.ts`, "an idle worker with a pattern asks for lines with its upkeep, and no more"],
      [
        `${fleet}/schedules/workers.test.ts`,
        "workers that have nothing to fire ask for the schedules every few seconds, and no more",
      ],
    ],
  "worker#222, #204, #210, #449, sidekiq#1831, rq#944, #1571, #1966: a crash locks a job for hours, or loses it": [
    [`${fleet}/worker.test.ts`, "the jobs of a worker killed with SIGKILL run again, with default settings within 15 s"],
  ],
  "restate#5196, sdk-typescript#1732, dbos-transact-ts#1302, #706: a durable program cannot be changed": [
    [`${fleet}/durable.test.ts`, "a changed program is met by the names of its steps, and what it lacks is told"],
  ],
  "dramatiq#257, #32: waiting for a rate spends retries": [
    [`${fleet}/limits/limits.test.ts`, "two workers together never exceed a rate, and no attempt is spent on waiting for it"],
    [`${executors}/failing.ts`, "a task that snoozes is run again as the same attempt, and no retry is spent"],
  ],
  "a job runs before the transaction that made it has been committed": [
    [`${fleet}/transaction.test.ts`, "a job submitted in a transaction that is rolled back does not exist"],
    ["test/store/postgres/transaction.test.ts", "a commit adds the jobs, and listeners are told of it"],
  ],
};

for (const [complaint, proofs] of Object.entries(complaints)) {
  test(complaint, () => {
    for (const [file, title] of proofs) {
      const source = readFileSync(join(import.meta.dirname, "..", file), "utf8");
      assert.ok(source.includes(title), `${file} has no test "${title}"`);
    }
  });
}
