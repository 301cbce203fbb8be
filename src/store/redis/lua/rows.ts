// Lua: the jobs a script works on. A job is two texts: what was submitted, of which only the mark changes unless `change` writes it anew (`job`), and what changes
// (`state`), which a job that is ready for the first time does not have yet. Rows are read once, changed here, and written at
// the end of the script. The fields of both texts are listed in `fields.ts`.

/** Rows. */
export const rows: string = String.raw`
local rows, written, writtenCount = {}, {}, 0
local statics = {}

local function parseStatic(text)
  local _, seq, kind, keep, rank, arrived, limit, due, expires, submitted, root, key, till, deps = match(text, headerPattern)
  return { seq = seq, kind = kind, keep = keep, rank = rank, arrived = arrived, limit = tonumber(limit), due = due, expires = expires,
    submitted = tonumber(submitted), root = root, key = key, till = till, deps = tonumber(deps) }
end

-- What gates a job has, as its record says it: several, one until the start, one until the end, none. A 29 stands before each.
local function gateKind(till)
  if #till < 2 then return '' end
  if search(till, '\29', 3, true) then return 'G' end
  return byte(till, -1) == 115 and 'h' or 'g'
end

local function newRow(id, s)
  return { id = id, '', '0', gateKind(s.till), '', s.seq, s.kind, s.keep, s.rank, s.arrived, '0', '0', '', '0', s.key ~= '' and 'h' or '', s.due,
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

-- The state of a job that has no record: by the mark of what was submitted.
local function stateByMark(text)
  local mark = byte(text)
  return (mark == 42 or mark == 61 or mark == 58) and 'b' or mark == 126 and 's' or 'r'
end

local function adopt(id, state, text)
  local row = state and parseRow(id, state) or false
  if text and (not row or row[SEQ] == '') then
    local s = parseStatic(text)
    statics[id] = s
    if row then
      row[SEQ], row[RANK] = s.seq, s.rank
      if row[READYAT] == '' then row[READYAT] = s.arrived end
      if byte(text) == 42 and row[STATUS] == 'r' then
        -- It passed its only gate, of which it has a place.
        row.fresh = text
        row[CARE] = row[CARE] .. (row[CARE] == 'h' and '\28' or '\29') .. match(s.till, '\29([^\30]*)')
      end
    else
      row = newRow(id, s)
      row.fresh = text
      row[STATUS] = stateByMark(text)
      if row[STATUS] ~= 'r' then row[READYAT] = '' end
      if byte(text) == 61 or byte(text) == 58 then row[PENDING] = number(s.deps) end
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

-- How long it is kept, and what alone needs it, if anything says so.
local function keptFor(row) return match(row[KEEP], '^[^\28]*') end
local function aboveOf(row) return match(row[KEEP], '\28(.*)') end

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

-- Has gates to pass.
local function isGated(row) return row[CARE] ~= '' and search(row[CARE], '^c?[ghG]') ~= nil end

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

-- Where a job stands in a block by its seq, from 0; nil when it is gone with all that were in the block then. Not every seq is a job's.
local function placeIn(block, seq)
  local first = call('LINDEX', block, 0)
  if not first or seqOf(first) > seq then return nil end
  local low, high = 0, seq - seqOf(first)
  local middle = high
  while low < high do
    local ref = call('LINDEX', block, number(middle))
    local its = ref and seqOf(ref) or huge
    if its == seq then return middle end
    if its < seq then low = middle + 1 else high = middle - 1 end
    middle = (low + high - (low + high) % 2) / 2
  end
  return low
end

-- Adds the references of jobs that were added one after another, from one seq up to another. One to nothing keeps the place of a job that is gone.
local function addRefsBetween(refs, mark, seq, upto)
  while seq <= upto do
    local block = (seq - seq % blockSize) / blockSize
    local name, last = BLOCK .. number(block), min(upto, (block + 1) * blockSize - 1)
    local place = placeIn(name, seq)
    local some = place and call('LRANGE', name, number(place), number(place + last - seq)) or {}
    for i = 1, last - seq + 1 do refs[#refs + 1] = mark .. (some[i] or '00000000000') end
    seq = last + 1
  end
end

-- References between jobs, with a mark before some: "~" where the dependency need not end as done, "=" before a job that waits for one alone. Of
-- many that were added one after another the first and the last seq behind "#".
local function refsIn(text)
  local refs, n = {}, 0
  for ref in gmatch(text .. S, '([^\31]*)\31') do
    local mark, from, upto = match(ref, '^(~?)#(%x+)%-(%x+)$')
    if mark then
      addRefsBetween(refs, mark, tonumber(from, 16), tonumber(upto, 16))
      n = #refs
    else
      n = n + 1
      refs[n] = ref
    end
  end
  return refs
end

-- The reference of the job with this seq as text, with the mark before it; one to nothing when it is gone.
local refsBySeq = {}
local function refBySeq(marked)
  if not refsBySeq[marked] then
    local mark, seq, its = match(marked, '^~?'), tonumber(match(marked, '%x+'), 16), {}
    addRefsBetween(its, mark, seq, seq)
    refsBySeq[marked] = its[1]
  end
  return refsBySeq[marked]
end

local function bare(ref)
  local mark = byte(ref)
  return (mark == 126 or mark == 61) and sub(ref, 2) or ref
end

local function unmarked(refs)
  local all = {}
  for i = 1, #refs do all[i] = bare(refs[i]) end
  return all
end

local function touch(row)
  if not row.touched then
    row.touched = true
    writtenCount = writtenCount + 1
    written[writtenCount] = row
  end
end

local function move(row, state)
  past.note(row.id, row[KINDNO], row.isNew and '' or row[STATUS], state, row[ATTEMPT], row[WORKEROF])
  row.isNew = false
  tally(row[STATUS], row[KINDNO], -1)
  tally(state, row[KINDNO], 1)
  row[STATUS] = state
  touch(row)
end
`;
