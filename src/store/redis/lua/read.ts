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
local out, n = {}, 0
local states = hmget(STATE, ARGV)
for i = 1, #ARGV do
  local text = states[i]
  if text and final[sub(text, -1)] then
    local _, kind = match(text, seqPattern)
    used[kind] = true
    out[n + 1], out[n + 2] = ARGV[i], text
    n = n + 2
  end
end
return { out, usedNames() }
`;

/** The results a job needs. */
export const inputs: string = String.raw`
-- Arguments: ids. For each its results; or why not, as one text.
local out = {}
for i, id in ipairs(ARGV) do
  local row = find(id)
  if not row then out[i] = 'gone' else
    local text, refs = call('HGET', DEPS, id), {}
    if text then
      for ref in gmatch(text .. S, '([^\31]*)\31') do refs[#refs + 1] = ref end
    end
    local found = rowsOf(refs)
    local results = {}
    for j, below in ipairs(found) do
      if below[STATUS] ~= 'd' then
        results = 'not done' .. S .. below.id
        break
      end
      results[j] = below[RESULT]
    end
    if #found < #refs then results = 'missing' end
    out[i] = results
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
return { call('HGETALL', COUNT), call('HGETALL', KINDS), call('SMEMBERS', PAUSED) }
`;
