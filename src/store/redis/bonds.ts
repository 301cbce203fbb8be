// What binds the jobs of a submit to each other, by their places in it: so the script that adds them needs to look up none of them.
import { tolerantPlaces } from "../arrival.ts";
import type { NewJob } from "../job.ts";
import { isSimple } from "./text.ts";

/** What binds jobs to each other, as `addPlain` takes it. */
export interface Bonds {
  readonly edges: string;
  readonly roots: string;
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

/** The dependencies of a job, as `addPlain` takes them, by places among all jobs, of which so many are before its call. */
function edgesOf(job: NewJob, at: number, places: Places, before: number): string | undefined {
  const tolerant = tolerantPlaces(job);
  const runs: [mark: string, from: number, upto: number][] = [];
  let place: number | undefined = at - job.dependsOn.length - 1;
  for (const [i, id] of job.dependsOn.entries()) {
    place = places.find(id, place + 1, at);
    if (place === undefined) return undefined;
    const mark = tolerant[i] === true ? "~" : "";
    const run = runs.at(-1);
    if (run?.[0] === mark && run[2] === before + place) run[2] += 1;
    else runs.push([mark, before + place + 1, before + place + 1]);
  }
  const [first] = runs;
  if (first?.[0] === "" && job.dependsOn.length === 1) return String(first[1]);
  return runs.map(([mark, from, upto]) => `${mark}${from}-${upto}`).join(" ");
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

/** The bonds of the jobs of these calls, or undefined where they need what only `add` finds out. */
export function bondsOf(calls: readonly (readonly NewJob[])[]): Bonds | undefined {
  let edges = "";
  let roots = "";
  let before = 0;
  for (const jobs of calls) {
    if (!jobs.every(isSimple)) return undefined;
    const places = new Places(jobs);
    for (const [at, job] of jobs.entries()) {
      if (job.dependsOn.length === 0) continue;
      const its = edgesOf(job, at, places, before);
      if (its === undefined) return undefined;
      edges += `${before + at + 1}:${its};`;
    }
    const its = rootsOf(jobs, places, before);
    if (its === undefined) return undefined;
    roots += its;
    before += jobs.length;
  }
  return { edges, roots };
}
