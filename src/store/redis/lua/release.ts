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
    its = released[line] or { line = line, kind = kind, isReleased = true, refs = {}, ids = {}, texts = {}, at = 1, count = 0 }
    released[line], releasedByHead[head] = its, its
  end
  return its
end

local function sortReleased(its)
  local refs, texts, order, isSorted = its.refs, its.texts, {}, true
  for i = 1, its.count do
    order[i] = i
    isSorted = isSorted and (i == 1 or seqOf(refs[i]) > seqOf(refs[i - 1]))
  end
  if not isSorted then
    table.sort(order, function(a, b) return seqOf(refs[a]) < seqOf(refs[b]) end)
    its.refs, its.texts = {}, {}
  end
  for i = 1, its.count do
    its.refs[i], its.texts[i] = refs[order[i]], texts[order[i]]
    its.ids[i] = sub(its.refs[i], 12)
  end
end

-- Releases those of these references; how often each is one.
local function releaseRefs(refs, times, now)
  local bare, ids, others = unmarked(refs), {}, {}
  for i = 1, #refs do ids[i] = sub(bare[i], 12) end
  for i, text in ipairs(hmget(JOB, ids)) do
    if text and byte(text) == 61 and search(text, sub(bare[i], 1, 11), 2, true) == 2 and not rows[ids[i]] then
      local its = releasedLine(text)
      its.count = its.count + 1
      its.refs[its.count], its.texts[its.count] = bare[i], text
    else others[#others + 1] = refs[i] end
  end
  rowsOf(unmarked(others))
  for _, ref in ipairs(others) do
    local above = deref(match(ref, '^~?(.*)$'))
    if above and isPending(above) then unblock(above, times[ref], now) end
  end
  for _, its in pairs(released) do
    sortReleased(its)
    tally('b', its.kind, -its.count)
    tally('r', its.kind, its.count)
  end
end

-- Releases what waits for jobs that are done, by the texts of what waits for each.
local function releaseAll(texts, now)
  local counts, distinct, times, refs = {}, {}, {}, {}
  for _, text in ipairs(texts) do
    if not counts[text] then distinct[#distinct + 1] = text end
    counts[text] = (counts[text] or 0) + 1
  end
  for _, text in ipairs(distinct) do
    for _, ref in ipairs(refsIn(text)) do
      if not times[ref] then refs[#refs + 1] = ref end
      times[ref] = (times[ref] or 0) + counts[text]
    end
  end
  if #refs > 0 then releaseRefs(refs, times, now) end
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
