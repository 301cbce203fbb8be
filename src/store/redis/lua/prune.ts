// Lua: which ended job is deleted when. Jobs that are kept equally long end in the order in which they will be deleted, unless the
// clock jumps: for each time of keeping there is a list, whose entries are all the jobs that one script ended, so a job costs little
// more than its id. What does not fit the order, and what there is of too many different times, goes to a sorted set. A job
// that was made live again is left where it is and passed over when its time comes.

/** Lists of ended jobs. */
export const prune: string = String.raw`
local PRUNE, PRUNED, PRUNES, mostLists = P .. 'prune', P .. 'prune:', P .. 'prunes', 32
local laterBy, laterOrder = {}, {}

-- The ids of jobs that ended now, are kept for so long and may be pruned then.
local function laterFor(keep, time)
  local name = keep .. S .. time
  local later = laterBy[name]
  if not later then
    later = { keep = keep, time = time }
    laterBy[name] = later
    laterOrder[#laterOrder + 1] = later
  end
  return later
end

local function pruneOutOfOrder(time, ids)
  local args = {}
  for i, id in ipairs(ids) do args[i * 2 - 1], args[i * 2] = time, id end
  many('ZADD', PRUNE, args)
end

local function writePrunes()
  for _, later in ipairs(laterOrder) do
    local tail = call('HGET', PRUNES, later.keep)
    local fits = tail and tonumber(tail) <= tonumber(later.time) or not tail and call('HLEN', PRUNES) < mostLists
    if fits then
      call('RPUSH', PRUNED .. later.keep, later.time .. S .. concat(later, S))
      call('HSET', PRUNES, later.keep, later.time)
    else pruneOutOfOrder(later.time, later) end
  end
  laterBy, laterOrder = {}, {}
end
`;

/** Taking from them. */
export const pruneTaking: string = String.raw`
local prunePattern = '^' .. rep('[^\31]*\31', 21) .. '.\31[^\31]*\31([^\31]*)\31'

local function headTime(keep)
  local entry = call('LINDEX', PRUNED .. keep, 0)
  return entry and tonumber(match(entry, '^[^\31]*'))
end

-- Adds to ids those of the list's entries that have this time, until there are enough; true when there were any.
local function takeEntries(keep, time, ids, enough)
  local any = false
  while #ids < enough and headTime(keep) == time do
    any = true
    local entry = call('LPOP', PRUNED .. keep)
    local first = true
    for id in gmatch(entry .. S, '([^\31]*)\31') do
      if first then first = false else ids[#ids + 1] = id end
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

-- Of these those that have ended and may be pruned at this time, the oldest first; each once, though one that ended again in the same
-- ms is there twice.
local function stillDue(ids, time, seen)
  local found = {}
  local texts, states = hmget(JOB, ids), hmget(STATE, ids)
  for i = 1, #ids do
    local id, state = ids[i], states[i]
    if state and not seen[id] and final[sub(state, -1)] and tonumber(match(state, prunePattern)) == time then
      seen[id] = true
      local seq, kind, above = match(texts[i], headPattern)
      found[#found + 1] = { id = id, ref = seq .. id, seq = seq, kind = kind, status = sub(state, -1), above = above }
    end
  end
  -- Of equal length, so they compare as numbers do.
  table.sort(found, function(a, b) return a.seq < b.seq end)
  return found
end

-- Takes jobs whose time has come, the earliest first; of those of one time the oldest first, unless there are very many.
local function takePruned(nowMs, limit)
  local taken, seen = {}, {}
  local keeps = call('HKEYS', PRUNES)
  while #taken < limit do
    local time = soonest(keeps, nowMs)
    if not time then return taken end
    local text = number(time)
    local enough = min(limit - #taken, 20000) + 2000
    local ids = call('ZRANGEBYSCORE', PRUNE, text, text, 'LIMIT', '0', number(enough))
    many('ZREM', PRUNE, ids)
    local touched = {}
    for _, keep in ipairs(keeps) do
      if takeEntries(keep, time, ids, enough) then touched[#touched + 1] = keep end
    end
    local rest = {}
    for _, each in ipairs(stillDue(ids, time, seen)) do
      if #taken < limit then taken[#taken + 1] = each else rest[#rest + 1] = each.id end
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
