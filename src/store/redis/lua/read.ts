// Lua: questions about jobs.

/** Jobs by id. */
export const get: string = String.raw`
-- Arguments: ids. For each stored one id, text, state or ''.
local out, n = {}, 0
local texts, states = hmget(JOB, ARGV), hmget(STATE, ARGV)
for i = 1, #ARGV do
  if texts[i] then
    used[match(texts[i], '^.%x+\31(%d+)')] = true
    out[n + 1], out[n + 2], out[n + 3] = ARGV[i], texts[i], states[i] or ''
    n = n + 3
  end
end
return { out, usedNames() }
`;

/** Ended jobs by id. */
export const endings: string = String.raw`
local kindPattern = '^[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31%x*\31(%d+)\31'
local out, n = {}, 0
local states = hmget(STATE, ARGV)
for i = 1, #ARGV do
  local text = states[i]
  if text and final[sub(text, -1)] then
    used[match(text, kindPattern)] = true
    out[n + 1], out[n + 2] = ARGV[i], text
    n = n + 2
  end
end
return { out, usedNames() }
`;

/** What jobs get of those they need. */
export const inputs: string = String.raw`
-- Arguments: ids. For each what it gets, a result or how a tolerated one ended: id and record; or why not, as one text.
local out = {}

-- What a job gets by a reference; or nothing, and why not.
local function inputBy(ref)
  local below = deref(bare(ref))
  if not below then return nil, 'missing' end
  if below[STATUS] == 'd' then return below[RESULT] end
  if byte(ref) ~= 126 or not final[below[STATUS]] then return nil, 'not done' .. S .. below.id end
  used[below[KINDNO]] = true
  return { below.id, textOf(below) }
end

-- What a job gets, or why that cannot be said.
local function inputsOf(id, text)
  if not find(id) then return 'gone' end
  local refs, its, why = text and refsIn(text) or {}, {}, nil
  rowsOf(unmarked(refs))
  for j, ref in ipairs(refs) do
    its[j], why = inputBy(ref)
    if why then return why end
  end
  return its
end

-- What a job runs by cannot have been deleted meanwhile, and nearly always all of it is done: of that only the results are looked at.
local texts, owns = hmget(DEPS, ARGV), hmget(STATE, ARGV)
local below, n, from = {}, 0, {}
for i, text in ipairs(texts) do
  from[i] = n
  if text and owns[i] and byte(owns[i], -1) == 117 then
    for _, ref in ipairs(refsIn(text)) do
      n = n + 1
      below[n] = sub(ref, byte(ref) == 126 and 13 or 12)
    end
  end
end
from[#ARGV + 1] = n
local states = hmget(STATE, below)

-- The result of a job that is done. Jobs of one claim and one settle have all of their records in common but that.
local common
local function resultOf(record)
  if not record or byte(record, -1) ~= 100 then return nil end
  if not common or search(record, common, 1, true) ~= 1 then common = match(record, '^(.*\31)[^\31]*\31d$') end
  return sub(record, #common + 1, -3)
end

for i, id in ipairs(ARGV) do
  local its, count = {}, from[i + 1] - from[i]
  for j = 1, count do
    its[j] = resultOf(states[from[i] + j])
    if not its[j] then break end
  end
  out[i] = count > 0 and #its == count and its or inputsOf(id, texts[i])
end
return { out, usedNames() }
`;

/** The jobs that a job waits for. */
export const awaited: string = String.raw`
-- Arguments: id, limit.
local text, out, seen = call('HGET', DEPS, ARGV[1]), {}, {}
for _, row in ipairs(rowsOf(unmarked(text and refsIn(text) or {}))) do
  if #out >= tonumber(ARGV[2]) then break end
  if not final[row[STATUS]] and not seen[row.id] then
    seen[row.id] = true
    out[#out + 1] = row.id
  end
end
return out
`;

/** A page of a listing. */
export const list: string = String.raw`
-- Arguments: limit, block to begin with or '', 'seq' and id or 'id' and id or '' and '', the filter.
local limit, from, mode, before = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
readFilter(5)
local out, found, budget = {}, {}, 20000
local beforeSeq = huge
if before ~= '' then
  local row = find(before)
  if row then
    beforeSeq = tonumber(row[SEQ], 16)
    before = ''
  end
end

-- Bytes, whatever the server's locale.
local function isBefore(a, b)
  for i = 1, min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function keep(row)
  if tonumber(row[SEQ], 16) < beforeSeq and (before == '' or isBefore(row.id, before)) then found[#found + 1] = row end
end

local function newestFirst(all)
  for i = #all, 1, -1 do
    if #found >= limit then return end
    local each = all[i]
    keep(each[STATUS] and each or rows[each.id] or adopt(each.id, each.state, each.text))
  end
end

local after = ''
if filter.ids or filter.root or onlyUnsuccessful() then newestFirst(selected())
elseif counted() > 0 then
  local blocks = call('HKEYS', BLOCKS)
  table.sort(blocks, byNumber)
  local top = from ~= '' and tonumber(from) or (beforeSeq < huge and (beforeSeq - beforeSeq % blockSize) / blockSize) or huge
  for i = #blocks, 1, -1 do
    if tonumber(blocks[i]) <= top and #found < limit then
      if budget <= 0 then
        after = blocks[i]
        break
      end
      local refs = call('LRANGE', BLOCK .. blocks[i], 0, -1)
      budget = budget - #refs
      newestFirst(sift(refs))
    end
  end
end
local ids = {}
for i, row in ipairs(found) do ids[i] = row.id end
local texts = hmget(JOB, ids)
for i, row in ipairs(found) do
  used[row[KINDNO]] = true
  out[#out + 1] = row.id
  out[#out + 1] = texts[i]
  out[#out + 1] = textOf(row)
end
return { out, usedNames(), after }
`;

/** How many. */
export const count: string = String.raw`
readFilter(1)
if filter.ids or filter.root then return #selected() end
return counted()
`;

/** Numbers of queues. */
export const queues: string = String.raw`
-- Names of queues with the time at which the job became ready that is next in the line where that was earliest. Jobs that left a line
-- otherwise than by a claim still stand in it: some are passed over, and so are lines beyond a number, lest the server stand still.
local recordPattern = '^[^\31]*\31[^\31]*\31([^\31]*)\31[^\31]*\31(%x+)\31([^\31]*)\31[^\31]*\31([^\31]*)\31([^\31]*)\31'
local freshPattern = '^.(%x+)\31([^\31]*)\31[^\31]*\31([^\31]*)\31([^\31]*)\31'
-- Of a record that leaves out seq and rank: when the job became ready.
local releasedPattern = '^\0310\31\31\31\31[^\31]*\31[^\31]*\31\31([^\31]*)\31'
local page, mostPassed, mostLines = 64, 1024, 1000

-- A job that was changed may stand in another line meanwhile.
local function firstReady(command, key, line)
  for from = 0, mostPassed - page, page do
    local refs, ids = call(command, key, from, from + page - 1), {}
    if #refs == 0 then return nil end
    for i = 1, #refs do ids[i] = sub(refs[i], 12) end
    local states, texts = hmget(STATE, ids), hmget(JOB, ids)
    for i = 1, #refs do
      local place, kind, rank, at
      if not states[i] then place, kind, rank, at = match(texts[i] or '', freshPattern)
      elseif sub(states[i], -1) == 'r' then
        local care, seq
        care, seq, kind, rank, at = match(states[i], recordPattern)
        if seq then place = match(care, '^c?[ghG](%x+)') or seq
        else
          place, kind, rank = match(texts[i], freshPattern)
          at = match(states[i], releasedPattern)
        end
      end
      if place and place == sub(refs[i], 1, 11) and kind .. ':' .. rank == line then return place, at end
    end
  end
end

-- The same of those that passed their only gate: an entry says when, and is right as long as the job has its mark.
local function firstPassed(key)
  for from = 0, mostPassed - page, page do
    local entries, ids = call('LRANGE', key, from, from + page - 1), {}
    if #entries == 0 then return nil end
    local seqs = {}
    for i = 1, #entries do seqs[i], ids[i] = match(entries[i], '^[^\31]*\31[^\31]*\31(...........)([^\31]*)') end
    local states, texts = hmget(STATE, ids), hmget(JOB, ids)
    for i = 1, #entries do
      local isReady = states[i] and sub(states[i], -1) == 'r' and byte(texts[i]) == 42
      if isReady and sub(texts[i], 2, 12) == seqs[i] then
        return sub(entries[i], 1, 11), match(entries[i], '^[^\31]*\31([^\31]*)')
      end
    end
  end
end

local function nextOf(line)
  local place, at = firstReady('LRANGE', LIST .. line, line)
  local backPlace, backAt = firstReady('ZRANGE', BACK .. line, line)
  if backPlace and (not place or backPlace < place) then place, at = backPlace, backAt end
  local passedPlace, passedAt = firstPassed(PASSED .. line)
  if passedPlace and (not place or passedPlace < place) then return passedAt end
  return at
end

local kinds, oldest, seen = call('HGETALL', KINDS), {}, {}
for i = 2, #kinds, 2 do
  local queue, first = match(kinds[i], '^[^\31]*'), nil
  if not seen[queue] then
    seen[queue] = true
    for _, line in ipairs(call('ZRANGE', READY .. queue, 0, mostLines - 1)) do
      local at = nextOf(line)
      if at and (not first or tonumber(at) < tonumber(first)) then first = at end
    end
    if first then
      oldest[#oldest + 1] = queue
      oldest[#oldest + 1] = first
    end
  end
end
return { call('HGETALL', COUNT), kinds, call('SMEMBERS', PAUSED), oldest }
`;

/** The lines that have ready jobs. */
export const lines: string = String.raw`
-- Arguments: limit. Names of kinds.
local counts, out = call('HGETALL', COUNT), {}
for i = 1, #counts, 2 do
  if #out == tonumber(ARGV[1]) then break end
  if byte(counts[i]) == 114 and tonumber(counts[i + 1]) > 0 then out[#out + 1] = nameOf(sub(counts[i], 2)) end
end
return out
`;
