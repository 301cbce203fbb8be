// Middleware around the submits of a program. A plan has been laid out by then, so that what is wrong with a call is thrown at once; what
// middleware changes, it changes in the rows. Without waiting for anything it costs no turn of the event loop, and submits are batched as ever.
import { UsageError } from "../../core/errors.ts";
import { show } from "../../core/show.ts";
import { checkOptions } from "../../core/suggest.ts";
import type { NewJob } from "../../store/job.ts";
import type { Added } from "../../store/store.ts";
import { checkPriority, checkQueueName } from "../../task/options.ts";
import type { Plan } from "../plan.ts";
import type { Submission } from "../submitter.ts";
import { callFacts, submitFacts } from "./facts.ts";
import type { Hooked, Hooks } from "./hooks.ts";
import { throughLayers } from "./layers.ts";
import { tellAll, warnOf } from "./listeners.ts";
import type { CallChanges, CallFacts, SubmitNext } from "./middleware.ts";

type Given = CallChanges | ((call: CallFacts) => CallChanges);

function changed(job: NewJob, given: Given): NewJob {
  const changes = typeof given === "function" ? given(callFacts(job)) : given;
  checkOptions(changes ?? null, ["queue", "priority", "trace"], "next()");
  const { queue = job.queue, priority = job.priority, trace = job.trace } = changes;
  checkQueueName(queue);
  checkPriority(priority, "next() priority");
  if (trace !== null && !/^[\da-f]{2}(-[\da-f]+){3}$/.test(trace)) {
    throw new UsageError(`next() trace must be a W3C traceparent, found ${show(trace)}.`);
  }
  return { ...job, queue, priority, trace };
}

function changedPlan(plan: Plan, given: Given | undefined): Plan {
  if (given === undefined) return plan;
  const jobs = plan.jobs.map((job) => changed(job, given));
  return { ...plan, jobs, root: jobs[plan.rootAt] as NewJob };
}

/** The submit hooks of one program. */
export class SubmitHooks {
  readonly #around: Hooked<"submit"> | undefined;
  readonly #listeners: Hooked<"submitted"> | undefined;
  readonly #underWay = new Set<Promise<unknown>>();

  private constructor(hooks: Hooks) {
    this.#around = hooks.of("submit");
    this.#listeners = hooks.of("submitted");
  }

  /** Undefined when no middleware cares for submits. */
  static of(hooks: Hooks | undefined): SubmitHooks | undefined {
    return hooks?.of("submit") || hooks?.of("submitted") ? new SubmitHooks(hooks) : undefined;
  }

  /** Sends the plan as middleware would have it. */
  submit(plan: Plan, send: (plan: Plan) => Submission): Submission {
    return this.#around ? this.#through(this.#around, plan, (changed) => this.#send(changed, send)) : this.#send(plan, send);
  }

  /** Resolves when everything that middleware was asked about so far has been sent or refused. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  #send(plan: Plan, send: (plan: Plan) => Submission): Submission {
    const submission = send(plan);
    const listeners = this.#listeners;
    if (!listeners) return submission;
    const tell = ({ id, existing }: Added): void => tellAll(listeners, warnOf, submitFacts(plan), existing ?? id);
    // A submit that failed is told to whoever submitted.
    submission.added.then(tell, () => undefined);
    return submission;
  }

  #through(layers: Hooked<"submit">, plan: Plan, send: (plan: Plan) => Submission): Submission {
    let sent: Submission | undefined;
    const core = (plan: Plan): Promise<Added> => {
      sent = send(plan);
      return sent.added;
    };
    const call = (layer: Hooked<"submit">[number][1], plan: Plan, next: SubmitNext): unknown => layer(submitFacts(plan), next);
    const told = ({ id, existing }: Added): string => existing ?? id;
    const added = throughLayers({ layers, call, inside: changedPlan, core, told }, plan);
    let isOver = false;
    const over = (): void => {
      isOver = true;
      this.#underWay.delete(ended);
    };
    const ended = added.then(over, over);
    this.#underWay.add(ended);
    return {
      added,
      get sent() {
        return sent?.sent ?? isOver;
      },
    };
  }
}
