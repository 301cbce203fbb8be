// Lua: names of keys, numbers as text, and what is counted. The first part of every script.
//
// All keys begin with the store's name as a hash tag, so that a script touches one slot of a Cluster. Every text that comes
// in is free of the separator (`text.ts` sees to that), so records are split at it and never parsed otherwise. A script
// writes only what it has decided; the server does not stop it half-way.

/** Keys, numbers, counters. */
export const base: string = String.raw`
local call, format, sub, byte, match, search, gmatch, rep = redis.call, string.format, string.sub, string.byte, string.match, string.find, string.gmatch, string.rep
local concat, min, max, ceil, huge = table.concat, math.min, math.max, math.ceil, math.huge
local P, S = KEYS[1], '\31'
local JOB, STATE, DEPS, COUNT, KIND, KINDS, META = P .. 'job', P .. 'state', P .. 'deps', P .. 'count', P .. 'kind', P .. 'kinds', P .. 'meta'
local READY, LIST, BACK, PAUSED = P .. 'ready:', P .. 'list:', P .. 'back:', P .. 'paused'
local UP, ABOVE, UNIQUE, ROOT, MEMBERS, BLOCK, BLOCKS = P .. 'up:', P .. 'above', P .. 'unique', P .. 'root:', P .. 'members', P .. 'block:', P .. 'blocks'
local DUE, EXPIRING, LOST, GRAPH = P .. 'due', P .. 'expiring', P .. 'unsuccessful', P .. 'graph'
local WORKER, LEASE, DRAIN, RUN, LEFT, WISH, SUSPECT = P .. 'worker', P .. 'lease', P .. 'drain', P .. 'run:', P .. 'left:', P .. 'wish:', P .. 'suspect:'
local VOID = P .. 'void'
local RECORD, NAMES, RECORDED = P .. 'record:', P .. 'names:', P .. 'recorded'
local GATES, BEFORE, LOOK, FULL = P .. 'gates', P .. 'before:', P .. 'look', P .. 'full'
local PASSED = P .. 'passed:'
local most, blockSize = 6000, 512
-- The last two: one of the store's own records, or a record of a job, was written of which listeners are to be told.
local isReady, isEnded, isScheduled, isWritten, isJobWritten = false, false, false, false, false

-- Lua prints only 14 digits by itself.
local function number(x)
  if x == huge then return 'Infinity' end
  if x % 1 == 0 and x > -1e15 and x < 1e17 then return format('%.0f', x) end
  return format('%.17g', x)
end

-- Lua passes at most some 8000 arguments to a call.
local function many(command, key, args)
  local n = #args
  if n <= most then
    if n > 0 then call(command, key, unpack(args)) end
    return
  end
  for i = 1, n, most do call(command, key, unpack(args, i, min(n, i + most - 1))) end
end

local function hmget(key, fields)
  local n = #fields
  if n == 0 then return {} end
  if n <= most then return call('HMGET', key, unpack(fields)) end
  local all = {}
  for i = 1, n, most do
    local some = call('HMGET', key, unpack(fields, i, min(n, i + most - 1)))
    for j = 1, #some do all[i + j - 1] = some[j] end
  end
  return all
end

-- Which of these ids are in a set: as keys.
local function among(set, ids)
  local isIn = {}
  if #ids == 0 or call('EXISTS', set) == 0 then return isIn end
  for i = 1, #ids, most do
    for j, found in ipairs(call('SMISMEMBER', set, unpack(ids, i, min(#ids, i + most - 1)))) do
      if found == 1 then isIn[ids[i + j - 1]] = true end
    end
  end
  return isIn
end

local tallied = {}
local function tally(state, kind, by)
  local field = state .. kind
  tallied[field] = (tallied[field] or 0) + by
end

local function writeTally()
  for field, by in pairs(tallied) do
    if by ~= 0 then call('HINCRBY', COUNT, field, number(by)) end
  end
  tallied = {}
end

-- A kind is a task in a queue. It has a number, which is never given twice.
local kindNames, kindNumbers = {}, {}
local function nameOf(kind)
  local name = kindNames[kind]
  if not name then
    name = call('HGET', KINDS, kind) or S
    kindNames[kind] = name
  end
  return name
end

local function queueOf(kind) return match(nameOf(kind), '^[^\31]*') end

local function kindOf(name)
  local kind = kindNumbers[name] or call('HGET', KIND, name)
  if not kind then
    kind = number(call('HINCRBY', META, 'kind', 1))
    call('HSET', KIND, name, kind)
    call('HSET', KINDS, kind, name)
  end
  kindNumbers[name] = kind
  return kind
end

-- The names of kinds, for the client: number, name, number, name.
local used = {}
local function usedNames()
  local names, n = {}, 0
  for kind in pairs(used) do
    names[n + 1], names[n + 2] = kind, nameOf(kind)
    n = n + 2
  end
  return names
end

local function seqOf(ref) return tonumber(sub(ref, 1, 11), 16) end

local function nextSeqs(count) return call('HINCRBY', META, 'seq', number(count)) - count + 1 end

-- Notes jobs in the order they were added. A block is a list of references, deleted when none of its jobs is left.
local function enlist(refs, first)
  local n = #refs
  local i = 1
  while i <= n do
    local block = (first + i - 1 - (first + i - 1) % blockSize) / blockSize
    local last = min(n, (block + 1) * blockSize - first)
    local name = number(block)
    call('RPUSH', BLOCK .. name, unpack(refs, i, last))
    call('HINCRBY', BLOCKS, name, last - i + 1)
    i = last + 1
  end
end

local lined = {}
local function openLine(kind, rank)
  local line = kind .. ':' .. rank
  if not lined[line] then
    lined[line] = true
    call('ZADD', READY .. queueOf(kind), rank, line)
  end
  return line
end

local function events()
  return (isReady and 'r' or '') .. (isEnded and 'e' or '') .. (isScheduled and 's' or '') .. (isWritten and 'o' or '') .. (isJobWritten and 'w' or '')
end

-- Tells all clients what happened; the origin lets the one that did it pass over the message.
local function tell(origin)
  local what = events()
  if what ~= '' then call('PUBLISH', P .. 'events', what .. S .. origin) end
  return what
end

-- A server out of memory refuses the first write of a script, if that is one that may need memory. What frees memory, or ends
-- work that was done, begins with a write that needs none.
local function despiteFullMemory() call('DEL', P .. 'none') end
`;
