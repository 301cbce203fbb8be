// `manyhands schedules`: what the fleet's schedules are and do next, and steering them. They are defined by programs
// (`hands.schedule`), since a call has arguments and code that only a program can tell.
import type { Command } from "commander";
import { showMs } from "../../core/durations.ts";
import { UsageError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";
import type { Hands } from "../../fleet/hands.ts";
import type { Schedule, ScheduleInfo, UnreadableSchedule } from "../../fleet/schedules/schedule.ts";
import type { Cli, CommonOptions, Run } from "../command.ts";
import { wholeNumber, withCommonOptions } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { iso, showAgo, showValue } from "../job-view.ts";
import { recordJson, toJson } from "../json.ts";
import type { Output } from "../output.ts";
import { openHands } from "../store.ts";
import { plural, printFacts, printTable, showCount } from "../table.ts";

interface Options extends CommonOptions {
  readonly count: number;
}

type Body = (cli: Cli, hands: Hands, names: readonly string[], options: Options) => Promise<void>;

function showWhen({ when }: ScheduleInfo): string {
  if ("cron" in when) return when.timezone === "UTC" ? when.cron : `${when.cron} (${when.timezone})`;
  return "every" in when ? `every ${showMs(when.every)}` : `at ${String(iso(when.at))}`;
}

function showNext({ paused, next }: ScheduleInfo, now: number): string {
  if (paused) return "paused";
  return next === null ? "never" : `${String(iso(next))}  (${showAgo(next, now)})`;
}

/** The schedule for programs: the fields of ScheduleInfo, times as ISO texts. */
function scheduleJson(info: ScheduleInfo): string {
  return recordJson({ ...info, next: iso(info.next), last: iso(info.last), queued: info.queued.map(iso) });
}

function showRow(each: ScheduleInfo | UnreadableSchedule, now: number): readonly string[] {
  if (each.problem !== undefined) return [each.name, "<unreadable>", "", "", ""];
  return [each.name, showWhen(each), each.task, showNext(each, now), showCount(each.fired)];
}

function printList(output: Output, schedules: readonly (ScheduleInfo | UnreadableSchedule)[], now: number): void {
  if (output.json) {
    for (const each of schedules) output.line(each.problem === undefined ? scheduleJson(each) : recordJson(each));
  } else if (schedules.length === 0) output.note("No schedules: programs define them with hands.schedule(name, when, call).");
  else {
    const titles = ["NAME", "WHEN", "TASK", "NEXT", "FIRED"];
    const columns = titles.map((title) => ({ title, align: title === "FIRED" ? ("right" as const) : ("left" as const) }));
    printTable(
      output,
      columns,
      schedules.map((each) => showRow(each, now)),
    );
    for (const { problem } of schedules) if (problem !== undefined) output.note(problem);
  }
}

function printOne(output: Output, info: ScheduleInfo, now: number): void {
  if (output.json) return output.line(scheduleJson(info));
  const late = info.windowMs === null ? "" : `, up to ${showMs(info.windowMs)} late`;
  const facts: (readonly [string, string])[] = [
    ["name", info.name],
    ["when", showWhen(info)],
    ["next", showNext(info, now)],
    ["task", info.task],
    ["queue", info.queue],
    ["args", showValue(info.args, output.terminal && !process.env["NO_COLOR"])],
    ["catch up", `${info.catchUp}${late}`],
    ["overlap", info.overlap],
    ["fired", plural(info.fired, "tick")],
  ];
  if (info.last !== null) facts.push(["last", `${String(iso(info.last))}  (${showAgo(info.last, now)})`]);
  if (info.queued.length > 0) facts.push(["queued", plural(info.queued.length, "tick")]);
  if (info.skipped > 0) facts.push(["skipped", plural(info.skipped, "tick")]);
  if (info.missed > 0) facts.push(["missed", plural(info.missed, "tick")]);
  printFacts(output, facts);
}

/** The schedules of these names, which must be there. */
async function chosen(hands: Hands, names: readonly string[]): Promise<readonly Schedule[]> {
  const handles = names.map((name) => hands.schedule(name));
  const known = (await hands.schedules()).map(({ name }) => name);
  const missing = names.find((name) => !known.includes(name));
  if (missing === undefined) return handles;
  throw new UsageError(`There is no schedule "${missing}" in this store. ${didYouMean(missing, known)}`);
}

async function printNext({ output }: Cli, hands: Hands, names: readonly string[], { count }: Options): Promise<void> {
  const readable = async (): Promise<readonly string[]> =>
    (await hands.schedules()).filter(({ problem }) => problem === undefined).map(({ name }) => name);
  const handles = await chosen(hands, names.length > 0 ? names : await readable());
  const ticks = await Promise.all(
    handles.map(async (each) => (await each.next(count)).map((tick) => ({ name: each.name, tick: tick.getTime() }))),
  );
  const coming = ticks.flat().toSorted((a, b) => a.tick - b.tick);
  if (coming.length === 0) return output.note("Nothing comes: there are no schedules, or they are paused or over.");
  for (const { name, tick } of coming.slice(0, count)) {
    if (output.json) output.line(toJson({ name, tick: iso(tick) }));
    else output.line(`${String(iso(tick))}  ${name}  ${output.paint("dim", showAgo(tick, hands.now()))}`);
  }
}

/** What a command about some schedules does with one of them; it gives what there is to say. */
type Act = (schedule: Schedule) => Promise<{ readonly json: Record<string, unknown>; readonly text: string }>;

const acts: Readonly<Record<"pause" | "resume" | "trigger" | "remove", readonly [description: string, act: Act]>> = {
  pause: [
    "let schedules fire no more until they are resumed; jobs they have made go on",
    async (schedule) => {
      await schedule.pause();
      return { json: { paused: true }, text: "paused" };
    },
  ],
  resume: [
    "let paused schedules fire again, from their next tick on",
    async (schedule) => {
      await schedule.resume();
      return { json: { paused: false }, text: "resumed" };
    },
  ],
  trigger: [
    "run schedules now, outside their rhythm",
    async (schedule) => {
      const id = await schedule.trigger().submitted;
      return { json: { job: id }, text: `job ${id}` };
    },
  ],
  remove: [
    "delete schedules; jobs they have made go on",
    async (schedule) => {
      const removed = await schedule.remove();
      return { json: { removed }, text: removed ? "removed" : "gone already" };
    },
  ],
};

function noSuchCommand(given: string, schedules: Command): UsageError {
  const known = schedules.commands.map((each) => each.name());
  return new UsageError(
    `"manyhands schedules" has no command "${given}". ${didYouMean(given, known)} See "manyhands schedules --help".`,
  );
}

function addVerb(schedules: Command, run: Run, text: string, description: string, body: Body): Command {
  const isDefault = text === "list";
  const command = schedules.command(text, { isDefault }).description(description).allowExcessArguments(isDefault);
  return command.action(() => {
    const options = command.opts<Options>();
    return run(options, async (cli) => {
      // What is no command comes to the default one as its argument.
      const [unknown] = isDefault ? command.args : [];
      if (unknown !== undefined) throw noSuchCommand(unknown, schedules);
      await using hands = await openHands(cli, { existing: true });
      await body(cli, hands, command.args, options);
      return exitCode.done;
    });
  });
}

export function addSchedules(program: Command, run: Run): void {
  const schedules = program.command("schedules").description("list the schedules, show when they fire, and steer them");
  const add = (text: string, description: string, body: Body): Command => addVerb(schedules, run, text, description, body);
  const list = add("list", "list the schedules (the default)", async ({ output }, hands) => {
    printList(output, await hands.schedules(), hands.now());
  });
  const show = add("show <name>", "show everything about a schedule", async ({ output }, hands, names) => {
    for (const schedule of await chosen(hands, names)) {
      const info = await schedule.info();
      if (info) printOne(output, info, hands.now());
    }
  });
  const next = add("next [names...]", "show the ticks that come next, of these schedules or of all", printNext);
  next.option("-n, --count <count>", "how many", wholeNumber(1), 10);
  const others = Object.entries(acts).map(([verb, [description, act]]) =>
    add(`${verb} <names...>`, description, async ({ output }, hands, names) => {
      for (const schedule of await chosen(hands, names)) {
        const { json, text } = await act(schedule);
        output.line(output.json ? recordJson({ name: schedule.name, ...json }) : `${schedule.name}: ${text}`);
      }
    }),
  );
  for (const command of [list, show, next, ...others]) withCommonOptions(command);
}
