// Lua: releasing what waits for jobs that are done. Most jobs of graphs wait for one other and have nothing else that needs care: marked "="
// when they are added, they have no record until they are released. Those are kept by the script that releases them, so that it can claim
// them at once, and only written when it does not. All others go through rows.

/** Releases. */
export const release: string = String.raw`
-- By line; each is also a source of claims, in the order the jobs were added.
local released, releasedByHead = {}, {}

local function releasedLine(text)
  local head = match(text, '^%d+\31[^\31]*\31[^\31]*\31', 14)
  local its = releasedByHead[head]
  if not its then
    local kind, rank = match(head, '^(%d+)\31[^\31]*\31([^\31]*)')
    local line = openLine(kind, rank)
    its = released[line] or { line = line, kind = kind, isReleased = true, ages = {}, ids = {}, texts = {}, inputs = {}, at = 1, count = 0 }
    released[line], releasedByHead[head] = its, its
  end
  return its
end

local function sortReleased(its)
  local ages, ids, texts, inputs, order = its.ages, its.ids, its.texts, its.inputs, {}
  for i = 1, its.count do order[i] = i end
  table.sort(order, function(a, b) return ages[a] < ages[b] end)
  its.ages, its.ids, its.texts, its.inputs = {}, {}, {}, {}
  for i, at in ipairs(order) do its.ages[i], its.ids[i], its.texts[i], its.inputs[i] = ages[at], ids[at], texts[at], inputs[at] end
end

-- Releases jobs that wait for one alone, by their references and what they get of it; returns those of jobs that something else befell: it
-- has left another mark.
local function releaseSingles(refs, inputs)
  local ids, others = {}, {}
  for i = 1, #refs do ids[i] = sub(refs[i], 13) end
  for i, text in ipairs(hmget(JOB, ids)) do
    local seq = sub(refs[i], 2, 12)
    if text and byte(text) == 61 and search(text, seq, 2, true) == 2 then
      local its, age = releasedLine(text), tonumber(seq, 16)
      local n = its.count + 1
      its.isUnsorted = its.isUnsorted or (n > 1 and age < its.ages[n - 1])
      its.count, its.ages[n], its.ids[n], its.texts[n], its.inputs[n] = n, age, ids[i], text, inputs[i]
    else others[#others + 1] = refs[i] end
  end
  for _, its in pairs(released) do
    if its.isUnsorted then sortReleased(its) end
    tally('b', its.kind, -its.count)
    tally('r', its.kind, its.count)
    for i = 1, its.count do past.note(its.ids[i], its.kind, 'b', 'r', '0', '') end
  end
  return others
end

-- What waits for jobs that are done: those that wait for one alone with what they get of it, and texts of others, with how often each is meant.
local releasing = { singles = {}, inputs = {}, count = 0, texts = {}, times = {} }

-- What waits for so many jobs and for others.
local function releaseOften(ref, count)
  local times = releasing.times[ref]
  if not times then releasing.texts[#releasing.texts + 1] = { ref, { ref } } end
  releasing.times[ref] = (times or 0) + count
end

local function releaseSoon(text, result)
  if byte(text) == 61 and not search(text, S, 1, true) then
    local n = releasing.count + 1
    releasing.count, releasing.singles[n], releasing.inputs[n] = n, text, result
  elseif releasing.times[text] then releasing.times[text] = releasing.times[text] + 1
  else
    local others = {}
    for ref in gmatch(text, '[^\31]+') do
      if byte(ref) == 61 then releaseSoon(ref, result) else others[#others + 1] = ref end
    end
    releasing.texts[#releasing.texts + 1], releasing.times[text] = { text, others }, 1
  end
end

local function releaseAll(now)
  local others, times = {}, {}
  for _, each in ipairs(releasing.texts) do
    for _, ref in ipairs(each[2]) do
      if not times[ref] then others[#others + 1] = ref end
      times[ref] = (times[ref] or 0) + releasing.times[each[1]]
    end
  end
  for _, ref in ipairs(releaseSingles(releasing.singles, releasing.inputs)) do others[#others + 1] = ref end
  rowsOf(unmarked(others))
  for _, ref in ipairs(others) do
    local above = deref(bare(ref))
    if above and isPending(above) then unblock(above, times[ref] or 1, now) end
  end
end

-- Writes those that were not claimed. Their records leave out seq and rank, so those of a kind have one in common.
local function writeReleased(now)
  for line, its in pairs(released) do
    local records, n, refs, places, recordByHead = {}, 0, {}, {}, {}
    for i = its.at, its.count do
      local id, text = its.ids[i], its.texts[i]
      local head = match(text, '^%d+\31[^\31]*\31', 14)
      recordByHead[head] = recordByHead[head] or S .. '0' .. rep(S, 4) .. head .. S .. now .. concat({ '', '0', '0', '', '0' }, S) .. rep(S, 9) .. 'r'
      records[n + 1], records[n + 2] = id, recordByHead[head]
      local ref = sub(text, 2, 12) .. id
      refs[#refs + 1] = ref
      places[n + 1], places[n + 2] = number(its.ages[i]), ref
      n = n + 2
    end
    if n > 0 then
      if its.ages[its.at] > tailOf(line) then many('RPUSH', LIST .. line, refs) else many('ZADD', BACK .. line, places) end
      many('HSET', STATE, records)
      isReady = true
    end
  end
end
`;
