// Lua: what people do to jobs, but for removing them: cancel, retry, change. `cancel` says once more what `cancellation.ts` says, `retry` what `revival.ts` says.
import { cancelSignal, retriedRecord } from "../../machine.ts";

/** Cancels. */
export const cancel: string = String.raw`
-- Arguments: origin, now, reason or '', the filter.
despiteFullMemory()
local now, reason = ARGV[2], ARGV[3]
readFilter(4)
local cancelled, requested, isRequested = {}, {}, {}

local function request(row)
  if not isRequested[row.id] then
    isRequested[row.id] = true
    requested[#requested + 1] = row.id
  end
  if not isHeld(row) then
    if not isAskedToUndo(row.id) then askToUndo(row, reason) end
    if row[STATUS] == 'w' or row[STATUS] == 's' then promote(row, now) end
    return
  end
  if row[CANCELAT] ~= '' then return end
  row[CANCELAT], row[REASON] = now, reason
  careFor(row)
  touch(row)
  call('ZADD', WISH .. row[WORKEROF], number(tonumber(row[SEQ], 16)), row.id)
end

local function halt(level)
  local ended = {}
  for _, row in ipairs(level) do
    if isHeld(row) or (row[FENCE] ~= '0' and mustUndo(row.id)) then request(row) else ended[#ended + 1] = row end
  end
  for _, row in ipairs(ended) do
    row[REASON] = reason
    finish(row, 'c', now)
    cancelled[#cancelled + 1] = row.id
  end
  return ended
end

-- The dependencies of these jobs, each once, that are live and no root of their own, and that nothing else needs.
local function below(level)
  local ids, found, seen = {}, {}, {}
  for i, row in ipairs(level) do ids[i] = row.id end
  for _, text in ipairs(hmget(DEPS, ids)) do
    if text then
      local refs = {}
      for _, ref in ipairs(unmarked(refsIn(text))) do
        if not seen[ref] then
          seen[ref] = true
          refs[#refs + 1] = ref
        end
      end
      for _, row in ipairs(rowsOf(refs)) do
        if not final[row[STATUS]] and static(row).root ~= '' then found[#found + 1] = row end
      end
    end
  end
  local free = {}
  for _, row in ipairs(found) do
    if not isNeeded(row) then free[#free + 1] = row end
  end
  return free
end

local chosen = {}
for _, row in ipairs(selected()) do
  if not final[row[STATUS]] then chosen[#chosen + 1] = row end
end
local level = halt(chosen)
local failed = {}
for _, row in ipairs(failAbove(level, now)) do failed[#failed + 1] = row.id end
while #level > 0 do level = halt(below(level)) end
flush(now)
return { cancelled, requested, failed, tell(ARGV[1]) }
`;

/** Makes live again. */
export const retry: string = String.raw`
-- Arguments: origin, now, the filter.
local now = ARGV[2]
readFilter(3)
-- Every ended job met, dependencies first, and whether it can be made live; of others whether they are done.
local met, isMet, able, isDone, dependsOn = {}, {}, {}, {}, {}

local function isHeld(row)
  local key = static(row).key
  return key ~= '' and call('HEXISTS', UNIQUE, key) == 1
end

local function isAble(row)
  if #dependsOn[row.id] < static(row).deps or isHeld(row) then return false end
  for _, dep in ipairs(dependsOn[row.id]) do
    if able[dep.id] == false then return false end
  end
  return true
end

local function enter(stack, row)
  local id = row.id
  if isMet[id] or isDone[id] ~= nil then return end
  if row[STATUS] == 'd' or not final[row[STATUS]] then
    isDone[id] = row[STATUS] == 'd'
    return
  end
  if not dependsOn[id] then
    local text = call('HGET', DEPS, id)
    dependsOn[id] = rowsOf(text and unmarked(refsIn(text)) or {})
  end
  stack[#stack + 1] = { row = row, at = 1 }
end

local function meet(row)
  local stack = {}
  enter(stack, row)
  while #stack > 0 do
    local top = stack[#stack]
    local dep = dependsOn[top.row.id][top.at]
    top.at = top.at + 1
    if dep then enter(stack, dep)
    else
      stack[#stack] = nil
      if not isMet[top.row.id] then
        isMet[top.row.id] = true
        met[#met + 1] = top.row
        able[top.row.id] = isAble(top.row)
      end
    end
  end
end

local function wantedOf(chosen)
  local wanted, stack = {}, {}
  for _, row in ipairs(chosen) do
    if able[row.id] then stack[#stack + 1] = row.id end
  end
  while #stack > 0 do
    local id = stack[#stack]
    stack[#stack] = nil
    if isMet[id] and not wanted[id] then
      wanted[id] = true
      for _, dep in ipairs(dependsOn[id]) do
        if not wanted[dep.id] then stack[#stack + 1] = dep.id end
      end
    end
  end
  return wanted
end

local cleared = { WORKEROF, READYAT, STARTED, ENDEDAT, PRUNEAT, RESULT, ERROR, CAUSE, CANCELAT, REASON, PROGRESS, CLAIM }

local function revive(row, pending)
  setRecord(row.id, '${cancelSignal}', '')
  if row[EXPIRES] ~= '' then
    local since = max(static(row).submitted, tonumber(call('HGET', RECORD .. row.id, '${retriedRecord}') or 0))
    row[EXPIRES] = number(tonumber(now) + (tonumber(row[EXPIRES]) - since))
  end
  setRecord(row.id, '${retriedRecord}', string.format('%.0f', math.floor(tonumber(now))))
  local ref = refOf(row)
  call('ZREM', LOST, ref)
  if row[ATTEMPT] ~= '0' then row[DUEAT] = '' end
  row[PENDING], row[ATTEMPT], row[CRASHES] = number(pending), '0', '0'
  for _, field in ipairs(cleared) do row[field] = '' end
  -- Who tolerates it and is blocked by others waits for it again.
  local found, times = dependantsOf(row)
  for _, above in ipairs(found) do
    if isPending(above) then
      above[PENDING] = number(tonumber(above[PENDING]) + times[above])
      touch(above)
    end
  end
  hold(row)
  place(row, restingState(pending, row[DUEAT], now), now)
end

local chosen = {}
for _, row in ipairs(selected()) do
  if final[row[STATUS]] and row[STATUS] ~= 'd' then chosen[#chosen + 1] = row end
end
for _, row in ipairs(chosen) do meet(row) end
local wanted, keys, planned = wantedOf(chosen), {}, {}
for _, row in ipairs(met) do
  if wanted[row.id] then
    local key = static(row).key
    -- Of several ended jobs with one key only the first comes back, and nothing that needs the others.
    local can = not (key ~= '' and keys[key])
    local pending = 0
    for _, dep in ipairs(dependsOn[row.id]) do
      if able[dep.id] == false then can = false end
      if isDone[dep.id] ~= true then pending = pending + 1 end
    end
    able[row.id] = can
    if can then
      if key ~= '' then keys[key] = true end
      planned[#planned + 1] = { row, pending }
    end
  end
end
local revived = {}
for i, each in ipairs(planned) do
  revive(each[1], each[2])
  revived[i] = each[1].id
end
flush(now)
return { revived, tell(ARGV[1]) }
`;

/** Changes jobs that wait. */
export const change: string = String.raw`
-- Arguments: origin, now, rank, queue, due, each with '=' before it or '', another call as the client writes it, the filter.
local now, rank, queue, due, isCall, expires, submitted, till, policy, args = unpack(ARGV, 2, 11)
readFilter(12)
local textPattern = headerPattern .. '([^\31]*)\31([^\31]*)\31([^\31]*)\31(.*)$'

-- Writes anew what was submitted: in which line it stands, and for which call.
local function rewrite(row)
  local mark, seq, kind, keep, ranked, arrived, limit, dueAt, expiresAt, since, root, key, before, deps, parent, trace, was, text =
    match(row.fresh or call('HGET', JOB, row.id), textPattern)
  if queue ~= '' then
    local other = kindOf(sub(queue, 2) .. S .. match(nameOf(kind), '\31(.*)$'))
    tally(row[STATUS], kind, -1)
    tally(row[STATUS], other, 1)
    emptied[kind] = true
    kind = other
  end
  if rank ~= '' then row[RANK] = sub(rank, 2) end
  if isCall ~= '' then
    since, before, was, text = submitted, match(before, '^[se]?') .. till, policy, args
    row[EXPIRES], row[CARE] = expires, gateKind(before)
  end
  row[KINDNO] = kind
  row.fresh = concat({ mark .. seq, kind, keep, row[RANK], arrived, limit, dueAt, expiresAt, since, root, key, before, deps, parent, trace, was, text }, S)
  statics[row.id] = parseStatic(row.fresh)
end

local function isNew(row) return row[FENCE] == '0' and static(row).deps == 0 end

local changed = {}
for _, row in ipairs(selected()) do
  if match(row[STATUS], '[bsr]') and (isCall == '' or isNew(row)) then
    forgetTimes(row)
    gates.leaveLine(row)
    gates.leave(row)
    if rank ~= '' or queue ~= '' or isCall ~= '' then rewrite(row) end
    if due ~= '' then row[DUEAT] = sub(due, 2) end
    place(row, restingState(tonumber(row[PENDING]), row[DUEAT], now), now)
    changed[#changed + 1] = row.id
  end
end
flush(now)
forgetKinds()
return { changed, tell(ARGV[1]) }
`;
