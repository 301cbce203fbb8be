// Lua: the jobs a script works on. A job is two texts: what was submitted, of which only the mark ever changes (`job`), and what changes
// (`state`), which a job that is ready for the first time does not have yet. Rows are read once, changed here, and written at
// the end of the script; lines and sets are changed at once. The fields of both texts are listed in `fields.ts`.

import { dueSoonMs } from "../../machine.ts";

/** Rows and their lines. */
export const rows: string = String.raw`
local rows, written, writtenCount = {}, {}, 0
local statics = {}

local function parseStatic(text)
  local _, seq, kind, keep, rank, arrived, limit, due, expires, submitted, root, key, till, deps = match(text, headerPattern)
  return { seq = seq, kind = kind, keep = keep, rank = rank, arrived = arrived, limit = tonumber(limit), due = due, expires = expires,
    submitted = tonumber(submitted), root = root, key = key, till = till, deps = tonumber(deps) }
end

local function newRow(id, s)
  return { id = id, '', '0', '', '', s.seq, s.kind, s.keep, s.rank, s.arrived, '0', '0', '', '0', s.key ~= '' and 'h' or '', s.due,
    s.expires, '', '', '', '', '', 'r', '', '', '', 'r' }
end

local function parseRow(id, text)
  local row = { match(text, rowPattern) }
  local rest = row[ENDEDAT]
  if rest == '' then row[PRUNEAT], row[RESULT], row[STATUS] = '', '', row[LAST]
  else row[ENDEDAT], row[PRUNEAT], row[RESULT], row[STATUS] = match(rest, endPattern) end
  row.id = id
  return row
end

-- The text of a row.
local function textOf(row)
  if final[row[STATUS]] then return concat(row, S, 1, STATUS) end
  row[LAST] = row[STATUS]
  return concat(row, S, 1, LAST)
end

local function adopt(id, state, text)
  local row = state and parseRow(id, state) or false
  if text and (not row or row[SEQ] == '') then
    local s = parseStatic(text)
    statics[id] = s
    if row then row[SEQ], row[RANK], row[READYAT] = s.seq, s.rank, s.arrived
    else
      row = newRow(id, s)
      row.fresh = text
    end
  end
  rows[id] = row
  return row
end

-- Reads these jobs, where they are not known yet.
local function fetch(ids)
  local asked, n = {}, 0
  for i = 1, #ids do
    local id = ids[i]
    if rows[id] == nil then
      rows[id] = false
      n = n + 1
      asked[n] = id
    end
  end
  if n == 0 then return end
  local states = hmget(STATE, asked)
  local rest, restStates = {}, {}
  for i = 1, n do
    if states[i] and not match(states[i], shortPattern) then adopt(asked[i], states[i])
    else
      rest[#rest + 1] = asked[i]
      restStates[#rest] = states[i]
    end
  end
  local texts = hmget(JOB, rest)
  for i = 1, #rest do adopt(rest[i], restStates[i], texts[i]) end
end

local function find(id)
  if rows[id] == nil then fetch({ id }) end
  return rows[id]
end

local function static(row)
  local s = statics[row.id]
  if not s then
    s = parseStatic(call('HGET', JOB, row.id))
    statics[row.id] = s
  end
  return s
end

local function refOf(row) return row[SEQ] .. row.id end

-- In the hands of its worker.
local function isHeld(row) return row[STATUS] == 'u' or (row[STATUS] == 'w' and row[WORKEROF] ~= '') end

-- Waits for dependencies.
local function isPending(row) return row[STATUS] == 'b' and row[PENDING] ~= '0' end

-- More is to be done at its end than to append to its record.
local function careFor(row)
  if byte(row[CARE]) ~= 99 then row[CARE] = 'c' .. row[CARE] end
end

local function setWaits(row, waits)
  if row[CARE] == '' and waits == '' then return end
  row[CARE] = match(row[CARE], '^[^\30]*') .. (waits ~= '' and '\30' .. waits or '')
end

-- The job of a reference, unless it is gone: its id may name another job now.
local function deref(ref)
  local row = rows[sub(ref, 12)]
  return row and row[SEQ] == sub(ref, 1, 11) and row or nil
end

local function rowsOf(refs)
  local ids = {}
  for i = 1, #refs do ids[i] = sub(refs[i], 12) end
  fetch(ids)
  local found, n = {}, 0
  for i = 1, #refs do
    local row = deref(refs[i])
    if row then
      n = n + 1
      found[n] = row
    end
  end
  return found
end

-- References between jobs; of a dependency that need not end as done there is a mark before it.
local function refsIn(text)
  local refs = {}
  for ref in gmatch(text .. S, '([^\31]*)\31') do refs[#refs + 1] = ref end
  return refs
end

local function unmarked(refs)
  local bare = {}
  for i = 1, #refs do bare[i] = byte(refs[i]) == 126 and sub(refs[i], 2) or refs[i] end
  return bare
end

local function touch(row)
  if not row.touched then
    row.touched = true
    writtenCount = writtenCount + 1
    written[writtenCount] = row
  end
end

local leaving = {}
-- What a worker runs is noted claim by claim: the ids as one text, and how many of them still run, so that an end only counts.
local function leaveClaim(worker, claim, count)
  local claims = leaving[worker] or {}
  leaving[worker] = claims
  claims[claim] = (claims[claim] or 0) + count
end

local function writeLeaving()
  for worker, claims in pairs(leaving) do
    for claim, count in pairs(claims) do
      if call('HINCRBY', LEFT .. worker, claim, number(-count)) <= 0 then
        call('HDEL', LEFT .. worker, claim)
        call('HDEL', RUN .. worker, claim)
      end
    end
  end
  leaving = {}
end

-- Writes what was changed. After that nothing is known any more. A job that had no record is marked as one a claim must look at.
local function flush()
  local args, n, marked = {}, 0, {}
  for i = 1, writtenCount do
    local row = written[i]
    if not row.removed then
      args[n + 1], args[n + 2] = row.id, textOf(row)
      n = n + 2
      if row.fresh then marked[#marked + 1], marked[#marked + 2] = row.id, '+' .. sub(row.fresh, 2) end
      if n >= most - 1 then
        many('HSET', STATE, args)
        args, n = {}, 0
      end
    end
  end
  many('HSET', STATE, args)
  many('HSET', JOB, marked)
  rows, statics, written, writtenCount = {}, {}, {}, 0
  writeLeaving()
  writePrunes()
  writeTally()
end

local function move(row, state)
  tally(row[STATUS], row[KINDNO], -1)
  tally(state, row[KINDNO], 1)
  row[STATUS] = state
  touch(row)
end

local tails = {}
-- A line of ready jobs is a list as long as they come in the order they were added, which is nearly always; a sorted set beside
-- it holds those that come back, of which a claim reads the record. Who leaves the line otherwise than by a claim is left in it, and passed over.
local function makeReady(row, now)
  row[READYAT] = now
  local line = openLine(row[KINDNO], row[RANK])
  local seq = tonumber(row[SEQ], 16)
  local tail = tails[line]
  if not tail then
    local last = call('LINDEX', LIST .. line, -1)
    tail = last and seqOf(last) or -1
  end
  if seq > tail and row[FENCE] == '0' then
    call('RPUSH', LIST .. line, refOf(row))
    tail = seq
  else call('ZADD', BACK .. line, number(seq), refOf(row)) end
  tails[line] = tail
  isReady = true
end

local function await(row, now)
  if row[DUEAT] == '' then return end
  call('ZADD', DUE, row[DUEAT], refOf(row))
  isScheduled = isScheduled or tonumber(row[DUEAT]) <= tonumber(now) + ${dueSoonMs}
end

local function place(row, state, now)
  move(row, state)
  if row[ATTEMPT] == '0' and row[EXPIRES] ~= '' then call('ZADD', EXPIRING, row[EXPIRES], refOf(row)) end
  if state == 'r' then makeReady(row, now) elseif state == 's' or state == 'w' then await(row, now) end
end

local function restingState(pending, due, now)
  if pending > 0 then return 'b' end
  if due ~= '' and tonumber(due) > tonumber(now) then return 's' end
  return 'r'
end

local function hold(row)
  local s = static(row)
  if s.key == '' then return end
  row[HOLDS] = 'h'
  call('HSET', UNIQUE, s.key, row.id)
end

local function release(row)
  if row[HOLDS] == '' then return end
  row[HOLDS] = ''
  call('HDEL', UNIQUE, static(row).key)
end

local function keepUntil(row, time)
  row[PRUNEAT] = number(time)
  local later = laterFor(row[KEEP], row[PRUNEAT])
  later[#later + 1] = row.id
  touch(row)
end

-- Takes a waiting job out of the sets of those that wait for a time.
local function forgetTimes(row)
  if (row[STATUS] == 's' or row[STATUS] == 'w') and row[DUEAT] ~= '' then call('ZREM', DUE, refOf(row)) end
  if row[EXPIRES] ~= '' and row[ATTEMPT] == '0' then call('ZREM', EXPIRING, refOf(row)) end
end

-- Ends a job; what that does to others is not done here.
local function finish(row, state, now)
  if not isHeld(row) then forgetTimes(row) end
  setWaits(row, '')
  move(row, state)
  row[ENDEDAT] = now
  release(row)
  keepUntil(row, tonumber(now) + tonumber(row[KEEP]))
  if state ~= 'd' then call('ZADD', LOST, number(tonumber(row[SEQ], 16)), refOf(row)) end
  isEnded = true
end

-- Makes a scheduled or suspended job ready.
local function promote(row, now)
  if row[DUEAT] ~= '' then call('ZREM', DUE, refOf(row)) end
  setWaits(row, '')
  place(row, 'r', now)
end

-- Takes so many dependencies off a blocked job.
local function unblock(row, count, now)
  local pending = tonumber(row[PENDING]) - count
  row[PENDING] = number(pending)
  touch(row)
  if pending == 0 then place(row, restingState(0, row[DUEAT], now), now) end
end
`;
