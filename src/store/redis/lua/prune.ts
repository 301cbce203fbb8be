// Lua: which ended job is deleted when. Jobs that are kept equally long end in the order in which they will be deleted, unless the
// clock jumps: for each time of keeping there is a list, whose entries are all the jobs that one script ended, so a job costs little
// more than its reference. What does not fit the order, and what there is of too many different times, goes to a sorted set. A job
// that was made live again is left where it is and passed over when its time comes.

/** Lists of ended jobs. */
export const prune: string = String.raw`
local PRUNE, PRUNED, PRUNES, mostLists = P .. 'prune', P .. 'prune:', P .. 'prunes', 32
local laterBy, laterOrder = {}, {}

local function pruneLater(keep, time, ref)
  local name = keep .. S .. time
  local later = laterBy[name]
  if not later then
    later = { keep = keep, time = time, refs = {}, count = 0 }
    laterBy[name] = later
    laterOrder[#laterOrder + 1] = later
  end
  later.count = later.count + 1
  later.refs[later.count] = ref
end

local function pruneOutOfOrder(time, refs)
  local args = {}
  for i, ref in ipairs(refs) do args[i * 2 - 1], args[i * 2] = time, ref end
  many('ZADD', PRUNE, args)
end

local function writePrunes()
  for _, later in ipairs(laterOrder) do
    local tail = call('HGET', PRUNES, later.keep)
    local fits = tail and tonumber(tail) <= tonumber(later.time) or not tail and call('HLEN', PRUNES) < mostLists
    if fits then
      call('RPUSH', PRUNED .. later.keep, later.time .. S .. concat(later.refs, S))
      call('HSET', PRUNES, later.keep, later.time)
    else pruneOutOfOrder(later.time, later.refs) end
  end
  laterBy, laterOrder = {}, {}
end
`;

/** Taking from them. */
export const pruneTaking: string = String.raw`
local function headTime(keep)
  local entry = call('LINDEX', PRUNED .. keep, 0)
  return entry and tonumber(match(entry, '^[^\31]*'))
end

-- Adds to refs those of the list's entries that have this time, until there are enough; true when there were any.
local function takeEntries(keep, time, refs, enough)
  local any = false
  while #refs < enough and headTime(keep) == time do
    any = true
    local entry = call('LPOP', PRUNED .. keep)
    local first = true
    for ref in gmatch(entry .. S, '([^\31]*)\31') do
      if first then first = false else refs[#refs + 1] = ref end
    end
  end
  return any
end

local function soonest(keeps, nowMs)
  local time
  local head = call('ZRANGE', PRUNE, 0, 0, 'WITHSCORES')[2]
  if head then time = tonumber(head) end
  for _, keep in ipairs(keeps) do
    local its = headTime(keep)
    if its and (not time or its < time) then time = its end
  end
  if time and time <= nowMs then return time end
end

-- Of these references those of jobs that have ended and may be pruned at this time, each once, the oldest first.
local function stillDue(refs, time)
  local seqs = {}
  for _, ref in ipairs(refs) do seqs[ref] = seqOf(ref) end
  table.sort(refs, function(a, b) return seqs[a] < seqs[b] end)
  local ids, found, seen = {}, {}, {}
  for i = 1, #refs do ids[i] = sub(refs[i], 12) end
  local states = hmget(STATE, ids)
  for i = 1, #refs do
    local state = states[i]
    if state and final[sub(state, -1)] and not seen[refs[i]] then
      local seq, kind, pruneAt = match(state, prunePattern)
      if seq == sub(refs[i], 1, 11) and tonumber(pruneAt) == time then
        seen[refs[i]] = true
        found[#found + 1] = { id = ids[i], ref = refs[i], seq = seq, kind = kind, status = sub(state, -1) }
      end
    end
  end
  return found
end

-- Takes jobs whose time has come, the earliest first; of those of one time the oldest first, unless there are very many.
local function takePruned(nowMs, limit)
  local taken = {}
  local keeps = call('HKEYS', PRUNES)
  while #taken < limit do
    local time = soonest(keeps, nowMs)
    if not time then return taken end
    local text = number(time)
    local enough = min(limit - #taken, 20000) + 2000
    local refs = call('ZRANGEBYSCORE', PRUNE, text, text, 'LIMIT', '0', number(enough))
    many('ZREM', PRUNE, refs)
    local touched = {}
    for _, keep in ipairs(keeps) do
      if takeEntries(keep, time, refs, enough) then touched[#touched + 1] = keep end
    end
    local rest = {}
    for _, each in ipairs(stillDue(refs, time)) do
      if #taken < limit then taken[#taken + 1] = each else rest[#rest + 1] = each.ref end
    end
    if touched[1] and rest[1] then call('LPUSH', PRUNED .. touched[1], text .. S .. concat(rest, S))
    else pruneOutOfOrder(text, rest) end
    for _, keep in ipairs(touched) do
      if not headTime(keep) then call('HDEL', PRUNES, keep) end
    end
  end
  return taken
end
`;
