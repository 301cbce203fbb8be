// Lua: whole jobs out and in; `load` says once more what `landing.ts` says.
import { partChars } from "../../part.ts";

/** A part of everything stored. */
export const dump: string = String.raw`
-- Arguments: seq behind which it begins, limit. For each job id, what was submitted, record or '', the ids of its dependencies, each with '~'
-- before it when it need not end as done, else '=', those that are gone as '', and names and texts of its records. The script looks at so
-- many references at most, takes texts of so many bytes, and says where the next goes on.
local after, limit, budget = tonumber(ARGV[1]), tonumber(ARGV[2]), 20000
local taken, texts, states, count, bytes = {}, {}, {}, 0, 0
local recordsBy = {}

local function recordsOf(id)
  local names, its, size = call('ZRANGE', NAMES .. id, 0, -1), {}, 0
  for i, text in ipairs(hmget(RECORD .. id, names)) do
    its[i * 2 - 1], its[i * 2] = names[i], text
    size = size + #names[i] + #text
  end
  recordsBy[id] = concat(its, S)
  return size
end

-- Takes of a block what is behind the last job taken; true when all of it was looked at.
local function takeBlock(refs)
  local ids, fresh, n, fits, all = {}, {}, 0, true, {}
  for i = 1, #refs do all[i] = sub(refs[i], 12) end
  local isRecorded = among(RECORDED, all)
  for i = 1, #refs do
    if seqOf(refs[i]) > after then
      local id = all[i]
      if isRecorded[id] then bytes = bytes + recordsOf(id) end
      bytes = bytes + call('HSTRLEN', JOB, id) + call('HSTRLEN', STATE, id)
      fits = bytes <= ${partChars} or count + n == 0
      if not fits then break end
      n = n + 1
      fresh[n], ids[n] = refs[i], id
    end
  end
  local itsTexts, itsStates = hmget(JOB, ids), hmget(STATE, ids)
  for i = 1, n do
    if count >= limit then return false end
    after = seqOf(fresh[i])
    local seq, kind = match(itsTexts[i] or '', '^.(%x+)\31(%d+)\31')
    if seq == sub(fresh[i], 1, 11) then
      count = count + 1
      taken[count], texts[count], states[count] = ids[i], itsTexts[i], itsStates[i] or ''
      used[kind] = true
    end
  end
  return fits
end

local blocks, more = call('HKEYS', BLOCKS), ''
table.sort(blocks, function(a, b) return tonumber(a) < tonumber(b) end)
for _, block in ipairs(blocks) do
  local last = (block + 1) * blockSize - 1
  if last > after then
    local isWhole = count < limit and budget > 0
    if isWhole then
      local refs = call('LRANGE', BLOCK .. block, 0, -1)
      budget = budget - #refs
      isWhole = takeBlock(refs)
    end
    if not isWhole then
      more = number(after)
      break
    end
    after = last
  end
end

local refsOf, below = {}, {}
for i, text in ipairs(hmget(DEPS, taken)) do
  if text then
    refsOf[i] = refsIn(text)
    for _, ref in ipairs(unmarked(refsOf[i])) do below[#below + 1] = sub(ref, 12) end
  end
end
fetch(below)
local out, n = {}, 0
for i = 1, count do
  local deps = {}
  for j, ref in ipairs(refsOf[i] or {}) do
    local isTolerant = byte(ref) == 126
    local row = deref(isTolerant and sub(ref, 2) or ref)
    deps[j] = (isTolerant and '~' or '=') .. (row and row.id or '')
  end
  out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = taken[i], texts[i], states[i], concat(deps, S), recordsBy[taken[i]] or ''
  n = n + 5
end
return { out, usedNames(), more }
`;

/** Writes whole jobs. */
export const load: string = String.raw`
-- Arguments: origin, now; for each job id, kind, what was submitted, record without seq and kind, or '' for one that is ready for the
-- first time, the ids of its dependencies and its records, both as 'dump' gives them. Answers how many were written and what happened; or
-- why not.
local now = ARGV[2]
local given, ids = {}, {}
for at = 3, #ARGV, 6 do
  local draft = { id = ARGV[at], name = ARGV[at + 1], text = ARGV[at + 2], record = ARGV[at + 3], records = ARGV[at + 5], deps = {}, isTolerant = {} }
  draft.s = parseStatic('-0' .. S .. '0' .. S .. draft.text)
  ids[#ids + 1] = draft.id
  if draft.s.deps > 0 then
    for mark, dep in gmatch(ARGV[at + 4] .. S, '(.)([^\31]*)\31') do
      draft.deps[#draft.deps + 1] = dep
      draft.isTolerant[#draft.deps] = mark == '~'
      if dep ~= '' then ids[#ids + 1] = dep end
    end
  end
  given[#given + 1] = draft
end
fetch(ids)

local drafts, landed, holders = {}, {}, {}

-- A waiting job with dependencies, as those tell. Returns the refusal, if any.
local function arrive(draft)
  local row, pending = draft.row, 0
  for i, dep in ipairs(draft.deps) do
    local below = landed[dep] and landed[dep].row or rows[dep]
    if not below then return { 'dependency', draft.id, dep } end
    if below[STATUS] ~= 'd' and not (draft.isTolerant[i] and final[below[STATUS]]) then
      pending = pending + 1
      if final[below[STATUS]] and not draft.cause then draft.cause = below[CAUSE] ~= '' and below[CAUSE] or dep end
    end
  end
  row[PENDING] = number(pending)
  if draft.cause then row[CAUSE], row[STATUS], row[HOLDS] = draft.cause, 'f', ''
  elseif pending > 0 then
    row[STATUS] = 'b'
    setWaits(row, '')
  elseif row[STATUS] == 'b' then
    row[STATUS] = restingState(0, row[DUEAT], now)
    if row[STATUS] == 'r' and not isGated(row) then row[READYAT] = now end
  end
end

local function land(draft)
  draft.row = draft.record == '' and newRow(draft.id, draft.s) or parseRow(draft.id, draft.record)
  if not final[draft.row[STATUS]] and (#draft.deps > 0 or draft.row[STATUS] == 'b') then
    local refusal = arrive(draft)
    if refusal then return refusal end
  end
  if draft.row[HOLDS] ~= '' then
    local key = draft.s.key
    local holder = holders[key] or call('HGET', UNIQUE, key)
    if holder then return { 'key', draft.id, key, holder } end
    holders[key] = draft.id
  end
  landed[draft.id] = draft
  drafts[#drafts + 1] = draft
end

local function write(draft, seq)
  local row, kind, hex = draft.row, kindOf(draft.name), format('%011x', seq)
  row[SEQ], row[KINDNO] = hex, kind
  rows[draft.id], statics[draft.id] = row, draft.s
  for name, text in gmatch(draft.records .. S, '([^\31]*)\31([^\31]*)\31') do setRecord(draft.id, name, text) end
  local state = row[STATUS]
  row.isNew = true
  tally(state, kind, 1)
  if final[state] and not draft.cause or draft.record == '' then past.note(draft.id, kind, '', state, row[ATTEMPT], row[WORKEROF]) end
  if draft.cause then finish(row, 'f', now)
  elseif final[state] then
    setWaits(row, '')
    keepUntil(row, tonumber(row[ENDEDAT]) + tonumber(keptFor(row)))
    if state ~= 'd' then call('ZADD', LOST, number(seq), refOf(row)) end
    isEnded = true
  elseif draft.record == '' then makeReady(row, row[READYAT])
  else
    if row[HOLDS] ~= '' then hold(row) end
    place(row, state, state == 'r' and row[READYAT] or now)
  end
  return refOf(row), (draft.record == '' and '-' or '+') .. hex .. S .. kind .. S .. draft.text
end

for _, draft in ipairs(given) do
  if not rows[draft.id] and not landed[draft.id] then
    local refusal = land(draft)
    if refusal then return refusal end
  end
end
if #drafts == 0 then return { 0, '' } end
local first = nextSeqs(#drafts)
local refs, texts, edges, above, graph = {}, {}, {}, {}, {}
for i, draft in ipairs(drafts) do
  refs[i], texts[i * 2] = write(draft, first + i - 1)
  texts[i * 2 - 1] = draft.id
  local root = draft.s.root
  if root ~= '' then
    call('SADD', ROOT .. root, refs[i])
    graph[#graph + 1] = draft.id
  end
  local below = {}
  for j, dep in ipairs(draft.deps) do
    local row = dep ~= '' and rows[dep]
    -- A reference to nothing keeps the place of one that is gone.
    local mark = draft.isTolerant[j] and '~' or ''
    below[j] = mark .. (row and refOf(row) or '00000000000')
    if row then
      if not above[dep] then graph[#graph + 1] = dep end
      above[dep] = above[dep] or {}
      above[dep][#above[dep] + 1] = mark .. refs[i]
    end
  end
  if #below > 0 then edges[#edges + 1], edges[#edges + 2] = draft.id, concat(below, S) end
end
many('HSET', JOB, texts)
many('HSET', DEPS, edges)
enlist(refs, first)
for dep, its in pairs(above) do many('RPUSH', UP .. dep, its) end
many('SADD', GRAPH, graph)
flush(now)
return { #drafts, tell(ARGV[1]) }
`;
