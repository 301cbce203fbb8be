// What binds the jobs of a submit to each other, by their places in it: so the script that adds them needs to look up none of them.
import { tolerantPlaces } from "../arrival.ts";
import type { NewJob } from "../job.ts";
import { isSimple } from "./text.ts";

/** What binds jobs to each other, as `addPlain` takes it. Places among all jobs are counted from one. */
export interface Bonds {
  readonly edges: string;
  readonly roots: string;
  /** Of each job the place of the one that alone needs it, where that needs others, too, and it needs none itself; with '~' before it as in an edge. */
  readonly above: readonly (string | undefined)[];
}

/** Dependencies that stand one behind the other, from a place in a call up to another. */
interface Run {
  readonly mark: "" | "~";
  readonly from: number;
  upto: number;
}

/** Finds the places of jobs in a call by their ids: dependencies nearly always stand one behind the other, before the job. */
class Places {
  readonly #jobs: readonly NewJob[];
  #byId: ReadonlyMap<string, number> | undefined;

  constructor(jobs: readonly NewJob[]) {
    this.#jobs = jobs;
  }

  /** Where the job with this id is, perhaps `guess`; undefined when it is not before `at`. */
  find(id: string, guess: number, at: number): number | undefined {
    if (guess < at && this.#jobs[guess]?.id === id) return guess;
    this.#byId ??= new Map(this.#jobs.map((job, place) => [job.id, place]));
    const place = this.#byId.get(id);
    return place !== undefined && place < at ? place : undefined;
  }
}

/** The dependencies of a job; undefined when one is not before it in its call. */
function runsOf(job: NewJob, at: number, places: Places): Run[] | undefined {
  const tolerant = tolerantPlaces(job);
  const runs: Run[] = [];
  let place: number | undefined = at - job.dependsOn.length - 1;
  for (const [i, id] of job.dependsOn.entries()) {
    place = places.find(id, place + 1, at);
    if (place === undefined) return undefined;
    const mark = tolerant[i] === true ? "~" : "";
    const run = runs.at(-1);
    if (run?.mark === mark && run.upto + 1 === place) run.upto = place;
    else runs.push({ mark, from: place, upto: place });
  }
  return runs;
}

/** Of all jobs of a call what they depend on; undefined when that is not all in it. */
function dependenciesIn(jobs: readonly NewJob[], places: Places): ReadonlyMap<number, readonly Run[]> | undefined {
  const found = new Map<number, readonly Run[]>();
  for (const [at, job] of jobs.entries()) {
    if (job.dependsOn.length === 0) continue;
    const runs = runsOf(job, at, places);
    if (!runs) return undefined;
    found.set(at, runs);
  }
  return found;
}

/** The roots that are not the job's own, as `addPlain` takes them; undefined when one is not of this call. */
function rootsOf(jobs: readonly NewJob[], places: Places, before: number): string | undefined {
  let roots = "";
  for (let at = 0; at < jobs.length; at++) {
    const { id, root } = jobs[at] as NewJob;
    if (root === id) continue;
    const from = at;
    while (jobs[at + 1]?.root === root && jobs[at + 1]?.id !== root) at += 1;
    const place = places.find(root, at + 1, jobs.length);
    if (place === undefined) return undefined;
    roots += `${before + place + 1}:${before + from + 1}-${before + at + 1};`;
  }
  return roots;
}

/** How many times each job of a call is needed by others of it. */
function timesNeeded(size: number, dependencies: Iterable<readonly Run[]>): Uint32Array {
  const times = new Uint32Array(size);
  for (const runs of dependencies) {
    for (const { from, upto } of runs) for (let place = from; place <= upto; place++) times[place] = (times[place] ?? 0) + 1;
  }
  return times;
}

/** The edges of one job. Notes in `above` the dependencies that nothing else binds. */
function edgesOf(
  jobs: readonly NewJob[],
  at: number,
  runs: readonly Run[],
  times: Uint32Array,
  before: number,
  above: string[],
): string {
  const [first] = runs;
  if (first?.mark === "" && jobs[at]?.dependsOn.length === 1) return String(before + first.from + 1);
  const own = String(before + at + 1);
  const texts = runs.map(({ mark, from, upto }) => {
    let isAlone = runs.length > 1 || upto > from;
    for (let place = from; isAlone && place <= upto; place++) isAlone = times[place] === 1 && jobs[place]?.dependsOn.length === 0;
    if (isAlone) for (let place = from; place <= upto; place++) above[before + place] = mark + own;
    return `${isAlone ? "^" : ""}${mark}${before + from + 1}-${before + upto + 1}`;
  });
  return texts.join(" ");
}

/** The bonds of the jobs of these calls, or undefined where they need what only `add` finds out. */
export function bondsOf(calls: readonly (readonly NewJob[])[]): Bonds | undefined {
  let edges = "";
  let roots = "";
  let before = 0;
  const above: string[] = [];
  for (const jobs of calls) {
    if (!jobs.every(isSimple)) return undefined;
    const places = new Places(jobs);
    const dependencies = dependenciesIn(jobs, places);
    const its = dependencies && rootsOf(jobs, places, before);
    if (!dependencies || its === undefined) return undefined;
    const times = timesNeeded(jobs.length, dependencies.values());
    for (const [at, runs] of dependencies) edges += `${before + at + 1}:${edgesOf(jobs, at, runs, times, before, above)};`;
    roots += its;
    before += jobs.length;
  }
  return { edges, roots, above };
}
