// Lua: how attempts end, as `machine.ts` says it, and what the end of jobs means for those that need them, level by level with a
// list of its own: a graph may be 2,000 deep and 100,000 wide.
import { attemptsKept } from "../../machine.ts";

/** The end of attempts and its consequences. */
export const ends: string = String.raw`
-- The references of jobs that need this one and were added with it: one, which stands with how long it is kept, or those of one text.
local function refsBeside(row)
  if row[KEEP] then
    local above = match(row[KEEP], '\28(.*)')
    if above then return { refBySeq(above) } end
  elseif row.above ~= '' then return { refBySeq(row.above) } end
  local text = call('HGET', ABOVE, row.id)
  return text and refsIn(text) or {}
end

-- The same with those added later.
local function refsAbove(row)
  local refs = refsBeside(row)
  for _, ref in ipairs(call('LRANGE', UP .. row.id, 0, -1)) do refs[#refs + 1] = ref end
  return refs
end

-- The stored jobs that need this one, in the order they were added; for each how many times, and whether it must be done.
local function dependants(row)
  local refs, isTolerant = refsAbove(row), {}
  for i = 1, #refs do isTolerant[i] = byte(refs[i]) == 126 end
  refs = unmarked(refs)
  rowsOf(refs)
  local found, times, strict = {}, {}, {}
  for i = 1, #refs do
    local above = deref(refs[i])
    if above then
      if not times[above] then
        found[#found + 1] = above
        times[above] = 0
      end
      times[above] = times[above] + 1
      if not isTolerant[i] then strict[above] = true end
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
local function isNeeded(row, onlyBeside)
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

local function releaseAbove(row, now)
  local found, times = dependants(row)
  for _, above in ipairs(found) do
    if isPending(above) then unblock(above, times[above], now) end
  end
end

-- Fails what waits for these jobs, and so on up, and releases what tolerates it; returns those failed, nearest first.
local function failAbove(ended, now)
  local failed, queue = {}, {}
  for i = 1, #ended do queue[i] = ended[i] end
  local at = 1
  while queue[at] do
    local row = queue[at]
    at = at + 1
    local found, times, strict = dependants(row)
    for _, above in ipairs(found) do
      if isPending(above) and not strict[above] then unblock(above, times[above], now)
      elseif isPending(above) then
        above[CAUSE] = row[CAUSE] ~= '' and row[CAUSE] or row.id
        finish(above, 'f', now)
        failed[#failed + 1] = above
        queue[#queue + 1] = above
      end
    end
  end
  return failed
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
    out[n + 1], out[n + 2] = row.id, textOf(row)
    n = n + 2
  end
  return out
end
`;
