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
    its = released[line] or { line = line, kind = kind, isReleased = true, ages = {}, ids = {}, texts = {}, at = 1, count = 0 }
    released[line], releasedByHead[head] = its, its
  end
  return its
end

local function sortReleased(its)
  local ages, ids, texts, order = its.ages, its.ids, its.texts, {}
  for i = 1, its.count do order[i] = i end
  table.sort(order, function(a, b) return ages[a] < ages[b] end)
  its.ages, its.ids, its.texts = {}, {}, {}
  for i, at in ipairs(order) do its.ages[i], its.ids[i], its.texts[i] = ages[at], ids[at], texts[at] end
end

-- Releases jobs that wait for one alone, by their references; returns those of jobs that something else befell: it has left another mark.
local function releaseSingles(refs)
  local ids, others = {}, {}
  for i = 1, #refs do ids[i] = sub(refs[i], 13) end
  for i, text in ipairs(hmget(JOB, ids)) do
    local seq = sub(refs[i], 2, 12)
    if text and byte(text) == 61 and search(text, seq, 2, true) == 2 then
      local its, age = releasedLine(text), tonumber(seq, 16)
      local n = its.count + 1
      its.isUnsorted = its.isUnsorted or (n > 1 and age < its.ages[n - 1])
      its.count, its.ages[n], its.ids[n], its.texts[n] = n, age, ids[i], text
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

-- Releases what waits for jobs that are done, by the texts of what waits for each.
local function releaseAll(texts, now)
  local counts, distinct, singles, others, times = {}, {}, {}, {}, {}
  for _, text in ipairs(texts) do
    if byte(text) == 61 and not search(text, S, 1, true) then singles[#singles + 1] = text
    else
      if not counts[text] then distinct[#distinct + 1] = text end
      counts[text] = (counts[text] or 0) + 1
    end
  end
  for _, text in ipairs(distinct) do
    for ref in gmatch(text, '[^\31]+') do
      if byte(ref) == 61 then singles[#singles + 1] = ref
      else
        if not times[ref] then others[#others + 1] = ref end
        times[ref] = (times[ref] or 0) + counts[text]
      end
    end
  end
  for _, ref in ipairs(releaseSingles(singles)) do others[#others + 1] = ref end
  rowsOf(unmarked(others))
  for _, ref in ipairs(others) do
    local above = deref(bare(ref))
    if above and isPending(above) then unblock(above, times[ref] or 1, now) end
  end
end

-- Writes those that were not claimed.
local function writeReleased(now)
  for line, its in pairs(released) do
    local records, n = {}, 0
    for i = its.at, its.count do
      local row = adopt(its.ids[i], nil, its.texts[i])
      row[STATUS] = 'r'
      row[PENDING] = '0'
      makeReady(row, now)
      records[n + 1], records[n + 2] = row.id, textOf(row)
      n = n + 2
    end
    many('HSET', STATE, records)
  end
end
`;
