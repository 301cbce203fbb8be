// The names of the records that a job's steps are kept in, as tasks and stores know them.
//
// `step/<name>` is what a step gave (a later one of the same name is `<name>#2`); `step/!wait <signal>`, `step/!sleep <name>` and `step/!until wait <signal>`
// what its waits are to know, as no name of a step begins with "!"; `undo/<name>` a step that can be undone; `step/!undoing` the
// error for which steps are to be undone; `signal/<name>/…` a signal, in the order they were sent; `signal/cancel` the wish to cancel a job.

export const stepPrefix = "step/";

/** A job with such a record has something to undo when it is cancelled: while suspended it is not ended, but made ready to do so. */
export const undoPrefix = "undo/";

/** Records of this kind are signals: written to a suspended job, they make it ready. */
export const signalPrefix = "signal/";

/** The signal by which a job with something to undo learns from its next worker that it is cancelled; its text is the reason as JSON. */
export const cancelSignal = "signal/cancel";

/** While a job has it, its steps are being undone for the error that is its text, or are to be when it runs again. */
export const undoingRecord = "step/!undoing";

/** More signals than any job has: who has seen so many is woken by none. */
export const unheard = 2 ** 31 - 1;

/** The name under which a wait is recorded: one that a step cannot have. */
export function waitName(kind: "sleep" | "wait" | "until", name: string): string {
  return `!${kind} ${name}`;
}

/** The name of a step or a wait as people see it. */
export function shownName(name: string): string {
  return name.replace(/^!/, "");
}

export function stepRecord(name: string): string {
  return stepPrefix + encodeURIComponent(name);
}

export function undoRecord(name: string): string {
  return undoPrefix + encodeURIComponent(name);
}

/** The step whose record, which begins with `prefix`, has this name. */
export function stepOf(record: string, prefix: typeof stepPrefix | typeof undoPrefix): string {
  return decodeURIComponent(record.slice(prefix.length));
}

/** What the records of the signals of this name begin with. */
export function signalsNamed(name: string): string {
  return `${signalPrefix}${encodeURIComponent(name.toWellFormed())}/`;
}

/** The name of the record of a signal sent now: signals of a job are in the order they were sent. */
export function signalRecord(name: string, now: number, id: string): string {
  return `${signalsNamed(name)}${String(Math.floor(now)).padStart(15, "0")}-${id}`;
}
