// Lua: the jobs a script works on. A job is two texts: what was submitted, which never changes (`job`), and what changes
// (`state`), which a job that is ready for the first time does not have yet. Rows are read once, changed here, and written at
// the end of the script; lines and sets are changed at once. The fields of both texts are listed in `fields.ts`.

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
  return { id = id, '', '0', '', s.seq, s.kind, s.keep, s.rank, s.arrived, '0', '0', '', '0', s.key ~= '' and 'h' or '', s.due,
    s.expires, '', '', '', '', '', 'r', '', '', '', 'r' }
end

local function parseRow(id, text)
  local row = { match(text, rowPattern) }
  local rest = row[22]
  if rest == '' then row[23], row[24], row[25] = '', '', row[LAST]
  else row[22], row[23], row[24], row[25] = match(rest, endPattern) end
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
  local row = false
  if state then row = parseRow(id, state)
  elseif text then
    statics[id] = parseStatic(text)
    row = newRow(id, statics[id])
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
  local fresh = {}
  for i = 1, n do
    if states[i] then adopt(asked[i], states[i]) else fresh[#fresh + 1] = asked[i] end
  end
  local texts = hmget(JOB, fresh)
  for i = 1, #fresh do adopt(fresh[i], nil, texts[i]) end
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

local function touch(row)
  if not row.touched then
    row.touched = true
    writtenCount = writtenCount + 1
    written[writtenCount] = row
  end
end

-- Writes what was changed. After that nothing is known any more.
local function flush()
  local args, n = {}, 0
  for i = 1, writtenCount do
    local row = written[i]
    if not row.removed then
      args[n + 1], args[n + 2] = row.id, textOf(row)
      n = n + 2
      if n >= most - 1 then
        many('HSET', STATE, args)
        args, n = {}, 0
      end
    end
  end
  many('HSET', STATE, args)
  rows, statics, written, writtenCount = {}, {}, {}, 0
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
-- it holds those that come back. Who leaves the line otherwise than by a claim is left in it, and passed over there.
local function makeReady(row, now)
  row[READYAT] = now
  local line = openLine(row[KINDNO], row[RANK])
  local seq = tonumber(row[SEQ], 16)
  local tail = tails[line]
  if not tail then
    local last = call('LINDEX', LIST .. line, -1)
    tail = last and seqOf(last) or -1
  end
  if seq > tail then
    call('RPUSH', LIST .. line, refOf(row))
    tail = seq
  else call('ZADD', BACK .. line, number(seq), refOf(row)) end
  tails[line] = tail
  isReady = true
end

local function place(row, state, now)
  move(row, state)
  if row[ATTEMPT] == '0' and row[EXPIRES] ~= '' then call('ZADD', EXPIRING, row[EXPIRES], refOf(row)) end
  if state == 'r' then makeReady(row, now) elseif state == 's' then call('ZADD', DUE, row[DUEAT], refOf(row)) end
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
  pruneLater(row[KEEP], row[PRUNEAT], refOf(row))
  touch(row)
end

-- Takes a waiting job out of the sets of those that wait for a time.
local function forgetTimes(row)
  if row[STATUS] == 's' then call('ZREM', DUE, refOf(row)) end
  if row[EXPIRES] ~= '' and row[ATTEMPT] == '0' then call('ZREM', EXPIRING, refOf(row)) end
end

-- Ends a job; what that does to others is not done here.
local function finish(row, state, now)
  if row[STATUS] ~= 'u' then forgetTimes(row) end
  move(row, state)
  row[ENDEDAT] = now
  release(row)
  keepUntil(row, tonumber(now) + tonumber(row[KEEP]))
  if state ~= 'd' then call('ZADD', LOST, number(tonumber(row[SEQ], 16)), refOf(row)) end
  isEnded = true
end

local function unblock(row, now)
  local pending = tonumber(row[PENDING]) - 1
  row[PENDING] = number(pending)
  touch(row)
  if pending == 0 then place(row, restingState(0, row[DUEAT], now), now) end
end
`;
