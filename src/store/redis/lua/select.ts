// Lua: finding jobs by filter. By ids, by the root of a graph, and among unsuccessful ends there is an index; everything else is
// found by walking all jobs in the order they were added, of which only the first fields of each are looked at.

/** Finding by filter. */
export const select: string = String.raw`
-- Whether a line is of this task, whatever it requires.
local function isOf(line, task) return line == task or sub(line, 1, #task + 1) == task .. '\n' end

-- Arguments from a place on: '1' when ids are given, their number, the ids; states or '*'; queue, task and root, each with '=' before it or ''.
local filter = {}
local function readFilter(at)
  local count = tonumber(ARGV[at + 1])
  if ARGV[at] == '1' then
    filter.ids = {}
    local seen = {}
    for i = 1, count do
      local id = ARGV[at + 1 + i]
      if not seen[id] then
        seen[id] = true
        filter.ids[#filter.ids + 1] = id
      end
    end
  end
  at = at + 2 + count
  if ARGV[at] ~= '*' then
    filter.states = {}
    for state in gmatch(ARGV[at], '.') do filter.states[state] = true end
  end
  local queue, task, root = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if root ~= '' then filter.root = sub(root, 2) end
  if queue ~= '' or task ~= '' then
    filter.kinds = {}
    local names = call('HGETALL', KIND)
    for i = 1, #names, 2 do
      local q, t = match(names[i], '^([^\31]*)\31(.*)$')
      if (queue == '' or sub(queue, 2) == q) and (task == '' or isOf(t, sub(task, 2))) then filter.kinds[names[i + 1]] = true end
    end
  end
  return at + 4
end

local function passes(state, kind)
  return (not filter.states or filter.states[state]) and (not filter.kinds or filter.kinds[kind])
end

-- How many jobs fit states, queue and task, as counted.
local function counted()
  local counts, sum = call('HGETALL', COUNT), 0
  for i = 1, #counts, 2 do
    if passes(sub(counts[i], 1, 1), sub(counts[i], 2)) then sum = sum + tonumber(counts[i + 1]) end
  end
  return sum
end

-- Of these references the jobs that are stored and pass, with what was read of them.
local function sift(refs)
  local ids, found = {}, {}
  for i = 1, #refs do ids[i] = sub(refs[i], 12) end
  local texts, states = hmget(JOB, ids), hmget(STATE, ids)
  for i = 1, #refs do
    local text, state = texts[i], states[i]
    local seq, kind, above = match(text or '', headPattern)
    if seq == sub(refs[i], 1, 11) then
      local status = state and sub(state, -1) or stateByMark(text)
      if passes(status, kind) then
        found[#found + 1] = { id = ids[i], ref = refs[i], seq = seq, kind = kind, status = status, above = above, state = state, text = text }
      end
    end
  end
  return found
end

local function byNumber(a, b) return tonumber(a) < tonumber(b) end

local function adoptAll(found, into)
  for _, each in ipairs(found) do into[#into + 1] = rows[each.id] or adopt(each.id, each.state, each.text) end
end

local function walk()
  local found = {}
  if counted() == 0 then return found end
  local blocks = call('HKEYS', BLOCKS)
  table.sort(blocks, byNumber)
  for _, block in ipairs(blocks) do adoptAll(sift(call('LRANGE', BLOCK .. block, 0, -1)), found) end
  return found
end

local function onlyUnsuccessful()
  if not filter.states then return false end
  for state in pairs(filter.states) do
    if state == 'd' or not final[state] then return false end
  end
  return true
end

local function rootRefs()
  local refs, text = call('SMEMBERS', ROOT .. filter.root), call('HGET', MEMBERS, filter.root)
  for _, ref in ipairs(text and refsIn(text) or {}) do refs[#refs + 1] = ref end
  local own = find(filter.root)
  if own and static(own).root == '' then refs[#refs + 1] = refOf(own) end
  return refs
end

local function hasRoot(row)
  local root = static(row).root
  return (root == '' and row.id or root) == filter.root
end

-- The jobs the filter selects, in the order they were added.
local function selected()
  local found = {}
  if filter.ids then
    fetch(filter.ids)
    for _, id in ipairs(filter.ids) do
      local row = rows[id]
      if row and passes(row[STATUS], row[KINDNO]) and (not filter.root or hasRoot(row)) then found[#found + 1] = row end
    end
    return inOrder(found)
  end
  if filter.root then
    adoptAll(sift(rootRefs()), found)
    return inOrder(found)
  end
  if onlyUnsuccessful() then
    adoptAll(sift(call('ZRANGE', LOST, 0, -1)), found)
    return found
  end
  return walk()
end
`;
