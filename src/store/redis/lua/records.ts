// Lua: records. Those of a job are a hash of their texts and a sorted set of their names, which has them in the order of their bytes; a
// set names the jobs that have any, so that deleting jobs costs nothing where there are none. Those of the store itself belong to "".
import { cancelSignal, signalPrefix, undoPrefix } from "../../machine.ts";

/** Reading and writing records. */
export const records: string = String.raw`
-- An empty text deletes it.
local function setRecord(job, name, text)
  if text ~= '' then
    if call('HSET', RECORD .. job, name, text) == 0 then return end
    call('ZADD', NAMES .. job, '0', name)
    if job ~= '' then call('SADD', RECORDED, job) end
  elseif call('HDEL', RECORD .. job, name) == 1 then
    call('ZREM', NAMES .. job, name)
    if job ~= '' and call('EXISTS', RECORD .. job) == 0 then call('SREM', RECORDED, job) end
  end
end

local function countNames(job, prefix) return call('ZLEXCOUNT', NAMES .. job, '[' .. prefix, '(' .. prefix .. '\255') end

local function signalsOf(id) return countNames(id, '${signalPrefix}') end

local function mustUndo(id) return countNames(id, '${undoPrefix}') > 0 end

local function isAskedToUndo(id) return call('HEXISTS', RECORD .. id, '${cancelSignal}') == 1 end

-- Tells a job by a signal that it is to undo what it did; the client makes the text.
local function askToUndo(row, reason)
  setRecord(row.id, '${cancelSignal}', '\0274' .. reason)
  row[CANCELAT], row[REASON] = '', ''
end

-- Wakes a suspended job by a record of this name.
local function wakeBy(row, name, now)
  if row[STATUS] == 'w' and not isHeld(row) and search(name, '${signalPrefix}', 1, true) == 1 then promote(row, now) end
end
`;

/** Writes records. */
export const write: string = String.raw`
-- Then: now; for each job or '', name, text or '', worker and fence of the claim or '', '1' to tell of it.
local now, ids, written = ARGV[5], {}, {}
for at = 6, #ARGV, 5 do
  if ARGV[at] ~= '' then ids[#ids + 1] = ARGV[at] end
end
fetch(ids)

local function mayWrite(row, claim)
  if not row or final[row[STATUS]] then return false end
  return claim == '' or (isHeld(row) and row[WORKEROF] .. S .. row[FENCE] == claim)
end

for at = 6, #ARGV, 5 do
  local job, name, text = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local row = job ~= '' and rows[job]
  local may = job == '' or mayWrite(row, ARGV[at + 3])
  if may then
    setRecord(job, name, text)
    if ARGV[at + 4] == '1' and row then isJobWritten = true elseif ARGV[at + 4] == '1' then isWritten = true end
    if row then wakeBy(row, name, now) end
  end
  written[#written + 1] = may and 1 or 0
end
flush(now)
return answer(written, {})
`;

/** Lists records. */
export const listRecords: string = String.raw`
-- Arguments: job or '', where to begin and end as ZRANGEBYLEX takes them, limit. Name, text, name, text.
local names, out = call('ZRANGEBYLEX', NAMES .. ARGV[1], ARGV[2], ARGV[3], 'LIMIT', '0', ARGV[4]), {}
for i, text in ipairs(hmget(RECORD .. ARGV[1], names)) do out[i * 2 - 1], out[i * 2] = names[i], text end
return out
`;

/** What jobs are added upon. */
export const addIf: string = String.raw`
-- Then: name of a record of the store, what it has and what it gets, '' for nothing.
if (call('HGET', RECORD, ARGV[5]) or '') ~= ARGV[6] then return answer({ '0 differs' }, {}) end
firstJob = 8
`;
