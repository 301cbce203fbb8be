// Lua: the fields of a job's two texts, by place. `text.ts` reads and writes the same on the client.
//
// What was submitted: a mark and the seq as 11 hexadecimal digits, kind, keep, rank, time of arrival, crash limit, due,
// expires, submitted, root (empty: its own), unique key, until (s or e), number of dependencies, parent, trace, policy, arguments. The
// mark is "-" when a script may start the job without looking at anything but its first five fields.
//
// What changes: see the names below. Seq to rank and the time it became ready stand in the same order in both, so a claim copies them. The
// last field is the state; an end only appends to the text of a running job: ended, prune, result and the new state come after the old one.

/** Names of fields. */
export const fields: string = String.raw`
local headerPattern = '^(.)(%x+)\31' .. rep('([^\31]*)\31', 12)
local WORKEROF, FENCE, CARE, SEQ, KINDNO, KEEP, RANK, READYAT = 1, 2, 3, 4, 5, 6, 7, 8
local ATTEMPT, CRASHES, STARTED, PENDING, HOLDS, DUEAT, EXPIRES = 9, 10, 11, 12, 13, 14, 15
local CANCELAT, REASON, CAUSE, PROGRESS, ERROR, LAST = 16, 17, 18, 19, 20, 21
local ENDEDAT, PRUNEAT, RESULT, STATUS, SEQNO = 22, 23, 24, 25, 26
local rowPattern = '^' .. rep('([^\31]*)\31', 20) .. '(.)(.*)$'
local endPattern = '^\31([^\31]*)\31([^\31]*)\31([^\31]*)\31(.)$'
-- Seq and kind; and of an ended job when it may be pruned.
local seqPattern = '^[^\31]*\31[^\31]*\31[^\31]*\31(%x+)\31(%d+)\31'
local prunePattern = seqPattern .. rep('[^\31]*\31', 15) .. '.\31[^\31]*\31([^\31]*)\31'
local final = { d = true, f = true, c = true, e = true }
`;
