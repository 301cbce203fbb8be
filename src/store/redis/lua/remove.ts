// Lua: deleting ended jobs, because their time is over or because people ask for it.

/** Deleting rows. */
export const deletion: string = String.raw`
-- Ids of these that are part of a graph: needed by others, or with a root that notes them one by one; of these 'apart' is known.
local function graphOf(jobs)
  local isIn, ids, refs = {}, {}, {}
  for i, each in ipairs(jobs) do
    ids[i] = each.id
    if each.above ~= '' then
      isIn[each.id] = true
      refs[#refs + 1] = bare(refBySeq(each.above))
    end
  end
  for i, text in ipairs(call('EXISTS', ABOVE) == 1 and hmget(ABOVE, ids) or {}) do
    if text then
      isIn[ids[i]] = true
      for _, ref in ipairs(unmarked(refsIn(text))) do refs[#refs + 1] = ref end
    end
  end
  -- Read at once, as all of them will be asked for.
  rowsOf(refs)
  for id in pairs(among(GRAPH, ids)) do isIn[id] = 'apart' end
  return isIn
end

-- Takes jobs out of what is known of graphs.
local function leaveGraphs(jobs)
  local ids, lists, byRoot = {}, {}, {}
  for i, each in ipairs(jobs) do ids[i], lists[i] = each.id, UP .. each.id end
  for i, text in ipairs(hmget(JOB, ids)) do
    local root = parseStatic(text).root
    if root ~= '' then
      byRoot[root] = byRoot[root] or {}
      byRoot[root][#byRoot[root] + 1] = jobs[i].ref
    end
  end
  for root, refs in pairs(byRoot) do many('SREM', ROOT .. root, refs) end
  for i = 1, #lists, most do call('UNLINK', unpack(lists, i, min(#lists, i + most - 1))) end
  many('SREM', GRAPH, ids)
end

-- Where a root goes before jobs that were added with it, it notes those one by one.
local function leaveMembers(roots)
  if call('EXISTS', MEMBERS) == 0 then return end
  local refs, ids, rootOf, n = {}, {}, {}, 0
  for i, text in ipairs(hmget(MEMBERS, roots)) do
    for _, ref in ipairs(text and refsIn(text) or {}) do
      n = n + 1
      refs[n], ids[n], rootOf[n] = ref, sub(ref, 12), roots[i]
    end
  end
  for i, text in ipairs(hmget(JOB, ids)) do
    if text and sub(text, 2, 12) == sub(refs[i], 1, 11) then
      call('SADD', ROOT .. rootOf[i], refs[i])
      call('SADD', GRAPH, ids[i])
    end
  end
  many('HDEL', MEMBERS, roots)
end

local function deleteRecords(ids)
  local keys, its = {}, {}
  for id in pairs(among(RECORDED, ids)) do
    its[#its + 1] = id
    keys[#keys + 1] = RECORD .. id
    keys[#keys + 1] = NAMES .. id
  end
  for i = 1, #keys, most do call('UNLINK', unpack(keys, i, min(#keys, i + most - 1))) end
  many('SREM', RECORDED, its)
end

local emptied = {}

-- A kind of which no job is left is forgotten, with the lines in which only references to nothing can stand.
local function forgetKinds()
  for kind in pairs(emptied) do
    local fields, isLeft = {}, false
    for state in gmatch('bsruwdfce', '.') do fields[#fields + 1] = state .. kind end
    for _, found in ipairs(call('HMGET', COUNT, unpack(fields))) do
      if found and found ~= '0' then isLeft = true end
    end
    if not isLeft then
      local ready = READY .. queueOf(kind)
      for _, line in ipairs(call('ZRANGE', ready, 0, -1)) do
        if match(line, '^%d+') == kind then
          call('DEL', LIST .. line, BACK .. line, PASSED .. line)
          call('ZREM', ready, line)
        end
      end
      call('HDEL', COUNT, unpack(fields))
      call('HDEL', KIND, nameOf(kind))
      call('HDEL', KINDS, kind)
    end
  end
end

-- Deletes ended jobs: id, ref, seq, kind, status, above (what needs it, or ''). What remains in lists of others is a reference to nothing.
local function deleteJobs(gone, isInGraph)
  local ids, unsuccessful, blocks, apart = {}, {}, {}, {}
  for i, each in ipairs(gone) do
    ids[i] = each.id
    if each.status ~= 'd' then unsuccessful[#unsuccessful + 1] = each.ref end
    local seq = tonumber(each.seq, 16)
    local block = (seq - seq % blockSize) / blockSize
    blocks[block] = (blocks[block] or 0) + 1
    tally(each.status, each.kind, -1)
    emptied[each.kind] = true
    if isInGraph[each.id] == 'apart' then apart[#apart + 1] = each end
  end
  leaveGraphs(apart)
  deleteRecords(ids)
  many('HDEL', JOB, ids)
  many('HDEL', STATE, ids)
  many('HDEL', DEPS, ids)
  many('HDEL', ABOVE, ids)
  leaveMembers(ids)
  many('ZREM', LOST, unsuccessful)
  for at, count in pairs(blocks) do
    local block = number(at)
    if call('HINCRBY', BLOCKS, block, number(-count)) <= 0 then
      call('HDEL', BLOCKS, block)
      call('DEL', BLOCK .. block)
    end
  end
end

-- Those no live job needs; the others.
local function splitNeeded(jobs, isInGraph)
  local free, needed = {}, {}
  for _, each in ipairs(jobs) do
    if isInGraph[each.id] and isNeeded(each, isInGraph[each.id] ~= 'apart') then needed[#needed + 1] = each else free[#free + 1] = each end
  end
  return free, needed
end
`;

/** Removes. */
export const remove: string = String.raw`
-- Arguments: block to begin with, the filter. Without an index the script walks so many jobs and says where to go on.
despiteFullMemory()
local from, after, budget = tonumber(ARGV[1]), '', 20000
readFilter(2)
for state in pairs(filter.states or {}) do
  if not final[state] then filter.states[state] = nil end
end
filter.states = filter.states or { d = true, f = true, c = true, e = true }

local jobs = {}
if filter.ids or filter.root then
  for _, row in ipairs(selected()) do
    local above = aboveOf(row) or ''
    jobs[#jobs + 1] = { id = row.id, ref = refOf(row), seq = row[SEQ], kind = row[KINDNO], status = row[STATUS], above = above }
  end
elseif onlyUnsuccessful() then jobs = sift(call('ZRANGE', LOST, 0, -1))
elseif counted() > 0 then
  local blocks = call('HKEYS', BLOCKS)
  table.sort(blocks, byNumber)
  for _, block in ipairs(blocks) do
    if tonumber(block) >= from then
      if budget <= 0 then
        after = block
        break
      end
      local refs = call('LRANGE', BLOCK .. block, 0, -1)
      budget = budget - #refs
      for _, each in ipairs(sift(refs)) do jobs[#jobs + 1] = each end
    end
  end
end
local isInGraph = graphOf(jobs)
local free = splitNeeded(jobs, isInGraph)
deleteJobs(free, isInGraph)
flush()
forgetKinds()
-- When nothing ended is left, nothing is to be pruned either.
filter.kinds, filter.states = nil, final
if counted() == 0 then
  for _, keep in ipairs(call('HKEYS', PRUNES)) do call('DEL', PRUNED .. keep) end
  call('DEL', PRUNES, PRUNE)
end
return { #free, after }
`;
