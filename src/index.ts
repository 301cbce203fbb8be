// The public face of manyhands. Everything not named here, in manyhands/pool or in manyhands/testing is internal.
export { task } from "./task/task.ts";
export { batchTask } from "./task/batch.ts";
export type { Task } from "./task/task.ts";
export { call } from "./task/call.ts";
export type { Arg, Call, CallArgs } from "./task/call.ts";
export { chain, chord, chunks, collect, group, skip } from "./task/flow.ts";
export type { GroupOptions, OutcomesOf, ResultsOf } from "./task/flow.ts";
export type { FailedPolicy } from "./task/gather.ts";
export type { GraphOptions } from "./task/inherit.ts";
export { context } from "./pool/context.ts";
export type { TaskContext as Context } from "./pool/context.ts";
export type { SleepOptions, StepOptions, WaitOptions } from "./task/step-options.ts";
export { snooze } from "./task/snooze.ts";
export { transfer } from "./task/transfer.ts";
export type { Backoff, Batch, Place, TaskOptions, Unique } from "./task/options.ts";
export type { Key } from "./task/key.ts";
export type { Concurrency, Fair, OneOrMore, Rate } from "./task/limits.ts";
export type { Debounce } from "./task/debounce.ts";
export type { Throttle } from "./task/throttle.ts";
export type { StreamOptions } from "./task/generator.ts";
export type { Label, Labels, Requirement, Requires } from "./task/requires.ts";
export type { StandardSchema } from "./task/schema.ts";
export type { FinalState, JobState, LiveState } from "./task/state.ts";

export type { Executor, MapOptions } from "./pool/executor.ts";
export { Future } from "./pool/future.ts";
export type { CancelReceipt, Progress } from "./pool/future.ts";
export type { Results } from "./pool/results.ts";

export { connect } from "./fleet/connect.ts";
export type { ConnectOptions } from "./fleet/connect.ts";
export type { CancelOptions, JobChanges } from "./fleet/control.ts";
export type { JobLines, LogLine } from "./fleet/job-reader.ts";
export type { CallFailure, Callbacks } from "./fleet/callbacks.ts";
export { encryption } from "./fleet/middleware/encryption.ts";
export type { EncryptionKey, EncryptionOptions } from "./fleet/middleware/encryption.ts";
export { folder } from "./fleet/middleware/folder.ts";
export type {
  About,
  CallChanges,
  CallFacts,
  Came,
  EndFacts,
  FleetFacts,
  JobFacts,
  Middleware,
  RunNext,
  SubmitFacts,
  SubmitNext,
} from "./fleet/middleware/middleware.ts";
export { offload } from "./fleet/middleware/offload.ts";
export type { OffloadOptions } from "./fleet/middleware/offload.ts";
export type { Depot, DepotEntry } from "./fleet/middleware/depot.ts";
export { s3 } from "./fleet/middleware/s3.ts";
export type { S3Client, S3Options } from "./fleet/middleware/s3.ts";
export type { Hands } from "./fleet/hands.ts";
export type { JobQuery } from "./fleet/filter.ts";
export type { SubmitOptions } from "./fleet/submit-options.ts";
export type { EventsOptions, JobEvent } from "./fleet/events.ts";
export type { AttemptInfo, Explanation, Reason } from "./fleet/explain.ts";
export type { JobInfo } from "./fleet/job-info.ts";
export type { FieldChange, ScheduleDefinition, ScheduleOptions } from "./fleet/schedules/define.ts";
export type { Schedule, ScheduleInfo, UnreadableSchedule } from "./fleet/schedules/schedule.ts";
export type { ApplyOptions, ScheduleChanges } from "./fleet/schedules/schedules.ts";
export type { Every, Once, StoredWhen, When } from "./fleet/schedules/when.ts";
export type { TaskSource } from "./fleet/roster.ts";
export type { Worker } from "./fleet/worker.ts";
export type { WorkOptions } from "./fleet/work-options.ts";
export type { QueueChoice } from "./fleet/queue-choice.ts";
export type { WorkerEvent } from "./fleet/worker-event.ts";
export type { QueueInfo, Unmatched, WorkerInfo } from "./fleet/worker-info.ts";
export type { JobFilter, QueueStats, StoredWorker, StoreInfo } from "./store/store.ts";

export type { Duration } from "./core/durations.ts";
export type { Size } from "./core/sizes.ts";
export type { Runtime, Timer } from "./core/runtime.ts";
export {
  CancelledError,
  ClosedError,
  CodecError,
  DependencyFailedError,
  DuplicateJobError,
  EventsLostError,
  ExpiredError,
  ManyhandsError,
  RestartedError,
  SealError,
  SnoozeError,
  StoreError,
  StoreLostError,
  StoreUnavailable,
  TimeoutError,
  UndoError,
  UsageError,
  WorkerDiedError,
} from "./core/errors.ts";
export type { DeathReason } from "./core/errors.ts";
