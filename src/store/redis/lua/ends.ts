// Lua: how attempts end, as `machine.ts` says it, and what the end of jobs means for those that need them, level by level with a
// list of its own: a graph may be 2,000 deep and 100,000 wide.
import { attemptsKept } from "../../machine.ts";

/** The end of attempts and its consequences. */
export const ends: string = String.raw`
local dependantsOf, isNeeded, releaseAbove, failAbove
do
-- The references of jobs that need this one and were added with it: one, which stands with how long it is kept, or those of one text.
local function refsBeside(row)
  if row[KEEP] then
    local above = aboveOf(row)
    if above then return { refBySeq(above) } end
  elseif row.above ~= '' then return { refBySeq(row.above) } end
  local text = call('HGET', ABOVE, row.id)
  return text and refsIn(text) or {}
end

-- For each of these jobs the references of all that need it; nothing where none does. What they name is read at once. Where
-- "singles" is given, those that wait for one job alone and have no record go there instead: of each job's the last place, references, ids and texts.
local function refsAbove(jobs, singles)
  local ids, all, asked = {}, {}, {}
  for i = 1, #jobs do ids[i] = jobs[i].id end
  local texts, isIn = call('EXISTS', ABOVE) == 1 and hmget(ABOVE, ids) or {}, among(GRAPH, ids)
  local count, marked, its = 0, {}, {}
  for i = 1, #ids do
    local beside, refs = aboveOf(jobs[i]), nil
    if beside then refs = { refBySeq(beside) } elseif texts[i] then refs = refsIn(texts[i]) end
    if isIn[ids[i]] then
      refs = refs or {}
      for _, ref in ipairs(call('LRANGE', UP .. ids[i], 0, -1)) do refs[#refs + 1] = ref end
    end
    local others = refs
    if refs and singles then
      others = {}
      for j = 1, #refs do
        local ref = refs[j]
        local id = byte(ref) == 61 and sub(ref, 13)
        if id and rows[id] == nil then
          count = count + 1
          marked[count], its[count] = ref, id
        else others[#others + 1] = ref end
      end
    end
    if singles then singles.upto[i] = count end
    all[i] = others
    for j = 1, others and #others or 0 do asked[#asked + 1] = sub(bare(others[j]), 12) end
  end
  if count > 0 then singles.refs, singles.ids, singles.texts = marked, its, hmget(JOB, its) end
  fetch(asked)
  return all
end

-- The stored jobs of these references, in the order they were added; for each how many times, and whether it must be done.
local function dependants(refs)
  local found, times, strict = {}, {}, {}
  for i = 1, #refs do
    local above = deref(bare(refs[i]))
    if above then
      if not times[above] then
        found[#found + 1] = above
        times[above] = 0
      end
      times[above] = times[above] + 1
      if byte(refs[i]) ~= 126 then strict[above] = true end
    end
  end
  return found, times, strict
end

local function isAnyLive(found)
  for _, row in ipairs(found) do
    if not final[row[STATUS]] then return true end
  end
  return false
end

-- Whether a live job needs this one; nothing that was added later does where that is known.
function isNeeded(row, onlyBeside)
  if isAnyLive(rowsOf(unmarked(refsBeside(row)))) then return true end
  if onlyBeside then return false end
  local at = 0
  repeat
    local refs = call('LRANGE', UP .. row.id, at, at + 999)
    local found = rowsOf(unmarked(refs))
    if isAnyLive(found) then return true end
    -- What is needed again and again for years must not keep a reference to each job that needed it.
    if at == 0 and #found == 0 and #refs == 1000 then call('LTRIM', UP .. row.id, 1000, -1) else at = at + 1000 end
  until #refs < 1000
  return false
end

function dependantsOf(row) return dependants(refsAbove({ row })[1] or {}) end

function releaseAbove(row, now)
  local found, times = dependantsOf(row)
  for _, above in ipairs(found) do
    if isPending(above) then unblock(above, times[above], now) end
  end
end

local commonByHead, lastCommon, records, marks = {}, nil, {}, {}

-- What jobs have in common that wait for one alone and fail with it: all of their records but the seq. See fields.ts.
local function commonOf(text, cause, now)
  if lastCommon and lastCommon.cause == cause and search(text, lastCommon.head, 14, true) == 14 then return lastCommon end
  local head, kind, keep = match(text, '^((%d+)\31([^\31]*)\31[^\31]*\31)', 14)
  local name = head .. cause
  local common = commonByHead[name]
  if not common then
    local kept = match(keep, '^[^\28]*')
    local time = number(tonumber(now) + tonumber(kept))
    local rest = concat({ '', '0', '0', '', '1', '', '', '', '', '', cause, '', '', 'b', now, time, '', 'f' }, S)
    common = { head = head, cause = cause, kind = kind, tail = S .. head .. rest, later = laterFor(kept, time) }
    -- As rows they differ in their ids and texts.
    common.row = { __index = { [KINDNO] = kind, [KEEP] = keep, [CAUSE] = cause } }
    commonByHead[name] = common
  end
  lastCommon = common
  return common
end

-- Fails a job that waits for one alone and has no record; returns what is to be known of it.
local function failSingle(ref, id, text, cause, now)
  local common, seq, n = commonOf(text, cause, now), sub(ref, 2, 12), #records
  local record = '\0310\31\31\31' .. seq .. common.tail
  records[n + 1], records[n + 2] = id, record
  marks[n + 1], marks[n + 2] = id, '+' .. sub(text, 2)
  n = #unsuccessfulEnds
  unsuccessfulEnds[n + 1], unsuccessfulEnds[n + 2] = tonumber(seq, 16), sub(ref, 2)
  common.later[#common.later + 1] = id
  tally('b', common.kind, -1)
  tally('f', common.kind, 1)
  past.note(id, common.kind, 'b', 'f', '0', '')
  isEnded = true
  return setmetatable({ id = id, [SEQ] = seq, text = record }, common.row)
end

-- Fails or releases those of these jobs that wait.
local function failRows(refs, cause, now, failed)
  local found, times, strict = dependants(refs)
  for _, above in ipairs(found) do
    if isPending(above) and not strict[above] then unblock(above, times[above], now)
    elseif isPending(above) then
      above[CAUSE] = cause
      finish(above, 'f', now)
      failed[#failed + 1] = above
    end
  end
end

-- Fails those of a job's that wait for it alone; returns references to those of which it is not sure any more.
local function failSingles(singles, place, cause, now, failed)
  local others = {}
  for i = (singles.upto[place - 1] or 0) + 1, singles.upto[place] do
    local ref, id, text = singles.refs[i], singles.ids[i], singles.texts[i]
    if text and byte(text) == 61 and search(text, sub(ref, 2, 12), 2, true) == 2 then
      failed[#failed + 1] = failSingle(ref, id, text, cause, now)
    else others[#others + 1] = ref end
  end
  if #others > 0 then rowsOf(unmarked(others)) end
  return others
end

local function isOlder(a, b) return a[SEQ] < b[SEQ] end

-- Fails what waits for these jobs, and so on up, and releases what tolerates it; returns those failed, nearest first, and of one job's in the
-- order they were added.
function failAbove(ended, now)
  local failed, level = {}, ended
  while #level > 0 do
    local singles, above = { upto = {} }, {}
    local refs = refsAbove(level, singles)
    for i, row in ipairs(level) do
      if refs[i] then
        local cause = row[CAUSE] ~= '' and row[CAUSE] or row.id
        local its = {}
        failRows(refs[i], cause, now, its)
        local hasRows, others = #its > 0, failSingles(singles, i, cause, now, its)
        failRows(others, cause, now, its)
        if hasRows or #others > 0 then table.sort(its, isOlder) end
        for j = 1, #its do above[#above + 1] = its[j] end
      end
    end
    -- Written at once: who looks one up from here on finds it failed.
    many('HSET', STATE, records)
    many('HSET', JOB, marks)
    records, marks = {}, {}
    for i = 1, #above do failed[#failed + 1] = above[i] end
    level = above
  end
  return failed
end
end

local function isSuspect(row, crashes)
  return crashes > 0 and crashes >= static(row).limit
end

local function stateAfter(row, kind, due, now, seen)
  if kind == 'd' or kind == 'f' or kind == 'c' then return kind end
  local isUnwanted = row[CANCELAT] ~= ''
  if (kind == 'x' or kind == 'l') and tonumber(row[CRASHES]) + 1 > static(row).limit then return isUnwanted and 'c' or 'f' end
  if isUnwanted then return mustUndo(row.id) and 'r' or 'c' end
  if kind == 't' then return tonumber(due) > tonumber(now) and 's' or 'r' end
  if kind ~= 'w' then return 'r' end
  return (signalsOf(row.id) > seen or (due ~= '' and tonumber(due) <= tonumber(now))) and 'r' or 'w'
end

-- Keeps what is to be known of an attempt that did not end its job; the client makes a text of it (text.ts).
local pastKinds = { t = 'retry', x = 'crashed', l = 'lost' }
local function keepAttempt(row, kind, text, now)
  local fence = tonumber(row[FENCE])
  local past = { pastKinds[kind], row[WORKEROF], row[STARTED], now, text }
  setRecord(row.id, format('attempt/%010d', fence), concat(past, '\0273'))
  if fence > ${attemptsKept} then setRecord(row.id, format('attempt/%010d', fence - ${attemptsKept}), '') end
end

-- Ends the attempt of a job in its worker's hands: d(one), f(ailed), c(ancelled), (re)t(ry), (c)x(rashed), r(eleased), l(ost), w(aiting), which
-- has seen so many signals. Returns its state.
local function stop(row, kind, text, due, now, seen)
  local worker, ref = row[WORKEROF], refOf(row)
  leaveClaim(worker, row[CLAIM], 1)
  row[CLAIM] = ''
  if row[CANCELAT] ~= '' then call('ZREM', WISH .. worker, row.id) end
  if row[CARE] ~= '' then
    call('SREM', SUSPECT .. worker, ref)
    row[CARE] = match(row[CARE], '^c?([^\30]*)')
  end
  local state = stateAfter(row, kind, due, now, seen)
  if pastKinds[kind] and not final[state] then keepAttempt(row, kind, text, now) end
  if kind == 'r' or kind == 'w' then row[ATTEMPT] = number(tonumber(row[ATTEMPT]) - 1) end
  if kind == 'x' or kind == 'l' then row[CRASHES] = number(tonumber(row[CRASHES]) + 1) end
  if kind == 't' or kind == 'w' then row[DUEAT] = due end
  if row[EXPIRES] ~= '' and (kind == 'w' or (kind == 'r' and mustUndo(row.id))) then row[EXPIRES] = '' end
  if kind == 'd' then row[RESULT] = text end
  if kind == 'l' then row[ERROR] = '' elseif kind == 'f' or kind == 't' or kind == 'x' then row[ERROR] = text end
  if final[state] then finish(row, state, now)
  else
    row[WORKEROF] = ''
    setWaits(row, state == 'w' and text or '')
    if row[CANCELAT] ~= '' then askToUndo(row, row[REASON]) end
    if kind == 'r' or kind == 'x' or kind == 'l' then comeBack(row, now)
    else
      gates.leave(row)
      place(row, state, now)
    end
  end
  return state
end

local function bySeq(a, b) return a[SEQNO] < b[SEQNO] end

local function inOrder(found)
  for _, row in ipairs(found) do row[SEQNO] = tonumber(row[SEQ], 16) end
  table.sort(found, bySeq)
  return found
end

local function runningWith(worker)
  local ids, running, seen = {}, {}, {}
  for _, claimed in ipairs(call('HVALS', RUN .. worker)) do
    for id in gmatch(claimed, '[^\31]+') do ids[#ids + 1] = id end
  end
  fetch(ids)
  for _, id in ipairs(ids) do
    local row = rows[id]
    if row and not seen[id] and isHeld(row) and row[WORKEROF] == worker then
      seen[id] = true
      running[#running + 1] = row
    end
  end
  return running
end

-- Gives back what a worker runs, as l(ost) or r(eleased); returns what ended with it and in consequence.
local function takeBack(running, kind, now)
  local ended = {}
  for _, row in ipairs(inOrder(running)) do
    if final[stop(row, kind, '', '', now)] then ended[#ended + 1] = row end
  end
  for _, row in ipairs(failAbove(ended, now)) do ended[#ended + 1] = row end
  return ended
end

-- Ended jobs for the client: id, record, id, record.
local function report(ended)
  local out, n = {}, 0
  for _, row in ipairs(ended) do
    used[row[KINDNO]] = true
    out[n + 1], out[n + 2] = row.id, row.text or textOf(row)
    n = n + 2
  end
  return out
end
`;
