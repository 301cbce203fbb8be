// Lua: the fields of a job's two texts, by place. `text.ts` reads and writes the same on the client.
//
// What was submitted: a mark and the seq as 11 hexadecimal digits, kind, keep, rank, time of arrival, crash limit, due,
// expires, submitted, root (empty: its own), unique key, until (s or e), number of dependencies, parent, trace, policy, arguments. The
// mark is "-" when a claim may start the job without more ado: as long as it stands in a list there is no record of it. It is "*" when the job
// has one gate and needs no other care: as long as it has no record it stands before it; see `rounds.ts`. It is "~" when the job was added to wait
// for a time: as long as it has no record it does, so that a million of them leave the table of records small. It is "=" when the job waits for
// one other that must be done, ":" when it waits for others otherwise, as long as it has no record; see `release.ts`.
//
// The field "keep" goes on, in both texts, with what needs the job, where that is one other that was added with it and needs more: behind the
// character 28 its seq, with "~" before it where this one need not end as done. So it stands in the records of all members of a chord alike, and their end need not look for it.
//
// The field "until" goes on with the gates, if there are any: each behind the character 29, its name, room, time for a token and until (s or e),
// with the character 30 between.
//
// What changes: see the names below. CARE is empty when the end of the job is only to be appended. Else it has "c" when a key, a wish or a
// suspicion must be seen to, what is said in `gates.ts`, and behind the character 30 what the job waits for. The last field is the state; an end only appends to the text of a running job: ended, prune, result
// and the new state come after the old one. Of a job marked "-" whose first run is its last, seq, rank and the time it became ready are left
// empty: they stand in what was submitted. So its record is the same for all jobs of a kind that are claimed together.

/** The places of what changes. Scripts get them as numbers: a name would cost each function that uses it. */
export const places: Readonly<Record<string, number>> = {
  WORKEROF: 1,
  FENCE: 2,
  CARE: 3,
  CLAIM: 4,
  SEQ: 5,
  KINDNO: 6,
  KEEP: 7,
  RANK: 8,
  READYAT: 9,
  ATTEMPT: 10,
  CRASHES: 11,
  STARTED: 12,
  PENDING: 13,
  HOLDS: 14,
  DUEAT: 15,
  EXPIRES: 16,
  CANCELAT: 17,
  REASON: 18,
  CAUSE: 19,
  PROGRESS: 20,
  ERROR: 21,
  LAST: 22,
  ENDEDAT: 23,
  PRUNEAT: 24,
  RESULT: 25,
  STATUS: 26,
  SEQNO: 27,
};

/** Patterns of both texts. */
export const fields: string = String.raw`
local headerPattern = '^(.)(%x+)\31' .. rep('([^\31]*)\31', 12)
local rowPattern = '^' .. rep('([^\31]*)\31', 21) .. '(.)(.*)$'
local endPattern = '^\31([^\31]*)\31([^\31]*)\31([^\31]*)\31(.)$'
-- Of what was submitted: seq, kind and what needs the job. Of what changes: that seq, rank and ready time are left out.
local headPattern, shortPattern = '^.(%x+)\31(%d+)\31[^\28\31]*\28?([^\31]*)\31', '^[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31\31'
local final = { d = true, f = true, c = true, e = true }
`;
