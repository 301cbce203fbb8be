// Lua: giving out ready jobs; the semantics of `want.ts`, the order of `Store.settle`. Lines are merged by rank and age. Jobs
// are taken off their line in bulk and looked at together; what is not started (too late, a second suspect) and what was taken
// too much is put back to where it stood.
import { claimPassed } from "./claim-passed.ts";
import { claimReleased } from "./claim-released.ts";

/** Claims. */
export const claim: string = String.raw`
-- True for a settle that was sent and given up: its worker has asked meanwhile what it runs.
local function isVoid(worker, origin, settleNo)
  local void = call('HGET', VOID, worker)
  if not void then return false end
  local voidOrigin, upto = match(void, '^(.*) (%d+)$')
  return voidOrigin == origin and tonumber(settleNo) <= tonumber(upto)
end

local claimed = {}
-- What only claims need is made inside: a settle that claims nothing does without, and each function costs time to make.
-- Arguments, from a place on: for each want its limit, number of queues, number of tasks, queues, tasks.
local function claimAll(worker, now, from)
if from > #ARGV then return end
local lease = call('ZSCORE', LEASE, worker)
if not lease or tonumber(lease) <= tonumber(now) then return end
local claimedCount, startedIds = 0, {}
local claimedIds, claimedRecords = {}, {}
local plain, claimNo = {}, nil
local hasSuspect

-- Claimed jobs are answered as a few long texts, each of whole jobs: the client takes one apart faster than many short ones.
local part, partCount, partSize = {}, 0, 0
local function endPart()
  if partCount > 0 then claimed[#claimed + 1] = concat(part, S, 1, partCount) end
  partCount, partSize = 0, 0
end

local function give(id, text, facts, record)
  part[partCount + 1], part[partCount + 2], part[partCount + 3] = id, text, facts
  partCount, partSize = partCount + 3, partSize + #text + #facts
  if partSize > 20000 then endPart() end
  if facts == '' or byte(facts) == 61 then past.note(id, plain.no, 'r', 'u', '1', worker) end
  local n = claimedCount * 2
  claimedRecords[n + 1], claimedRecords[n + 2] = id, record
  claimedCount = claimedCount + 1
  claimedIds[claimedCount] = id
  startedIds[id] = true
end

-- What the first run of a job marked "-" is noted as; nearly always the same as that of the job before it.
local function plainRecordOf(text)
  if not plain.kind or search(text, plain.kind, 14, true) ~= 14 then
    plain.kind = match(text, '^[^\31]*\31[^\31]*\31', 14)
    plain.no = match(plain.kind, '^%d+')
    plain.record = plain.head .. plain.kind .. plain.tail
    plain.released = plain.head .. plain.kind .. S .. now .. sub(plain.tail, 2)
  end
  return plain.record
end

local function start(row, ref, text, worker, now, suspect)
  if row[EXPIRES] ~= '' and row[ATTEMPT] == '0' then call('ZREM', EXPIRING, ref) end
  if isGated(row) then
    local _, places = gates.placesOf(row)
    gates.setPlaces(row, nil, gates.start(places))
  end
  row[STATUS], row[WORKEROF], row[STARTED] = 'u', worker, now
  row[ATTEMPT] = number(tonumber(row[ATTEMPT]) + 1)
  row[FENCE] = number(tonumber(row[FENCE]) + 1)
  row[CLAIM] = claimNo
  if row[HOLDS] ~= '' and sub(static(row).till, 1, 1) == 's' then release(row) end
  if suspect then call('SADD', SUSPECT .. worker, ref) end
  if suspect or row[HOLDS] ~= '' then careFor(row) end
  past.note(row.id, row[KINDNO], 'r', 'u', row[ATTEMPT], worker)
  give(row.id, text, row[ATTEMPT] .. ' ' .. row[CRASHES] .. ' ' .. row[FENCE], textOf(row))
end

local function mayStart(row, worker, now)
  if row[ATTEMPT] == '0' and row[EXPIRES] ~= '' and tonumber(row[EXPIRES]) <= tonumber(now) then return false, false end
  if not isSuspect(row, tonumber(row[CRASHES])) then return true, false end
  if hasSuspect == nil then hasSuspect = call('SCARD', SUSPECT .. worker) > 0 end
  if hasSuspect then return false, true end
  hasSuspect = true
  return true, true
end

${claimReleased}
${claimPassed}
-- Starts the job of a reference: true when it did, false when it must wait, nil when it is not ready any more.
local function consider(source, at, worker, now)
  if source.isReleased then return considerReleased(source, at) end
  if source.isPassed then return considerPassed(source, at) end
  local id, ref, text, state = source.ids[at], source.refs[at], source.texts[at], source.states[at]
  if not text or startedIds[id] then return nil end
  if state == nil then
    if search(text, sub(ref, 1, 11), 2, true) ~= 2 then return nil end
    give(id, text, '', plainRecordOf(text))
    return true
  end
  local started = state and startedOf(state)
  if started and search(text, sub(ref, 1, 11), 2, true) == 2 then
    plainRecordOf(text)
    give(id, text, '', started)
    return true
  end
  statics[id] = parseStatic(text)
  local row = state and parseRow(id, state) or newRow(id, statics[id])
  if row[STATUS] ~= 'r' or row[KINDNO] .. ':' .. row[RANK] ~= source.line then return nil end
  if sub(ref, 1, 11) ~= (isGated(row) and gates.ageOf(row) or row[SEQ]) then return nil end
  local may, suspect = mayStart(row, worker, now)
  if may then start(row, refOf(row), text, worker, now, suspect) end
  return may
end

-- Takes more off a source; false when it is empty.
local function refill(source)
  if source.isReleased then return false end
  local refs
  if source.isList or source.isPassed then refs = call('LPOP', source.key, source.chunk) or {}
  else
    local pairs = call('ZPOPMIN', source.key, source.chunk)
    refs = {}
    for i = 1, #pairs, 2 do refs[#refs + 1] = pairs[i] end
  end
  source.refs, source.at, source.count = refs, 1, #refs
  if #refs == 0 then return false end
  if source.isPassed then
    readPassed(source)
    return true
  end
  local ids = {}
  for i = 1, #refs do ids[i] = sub(refs[i], 12) end
  local texts, asked, places, states = hmget(JOB, ids), {}, {}, {}
  for i = 1, #refs do
    -- Of a job marked "-" that stands in a list there is no record.
    if texts[i] and not (source.isList and byte(texts[i]) == 45) then
      asked[#asked + 1] = ids[i]
      places[#asked] = i
    end
  end
  for i, state in ipairs(hmget(STATE, asked)) do states[places[i]] = state end
  source.ids, source.texts, source.states = ids, texts, states
  return true
end

local function giveBack(source)
  if source.isReleased then return end
  if source.isList or source.isPassed then
    for i = source.count, source.at, -1 do call('LPUSH', source.key, source.refs[i]) end
  else
    for i = source.at, source.count do call('ZADD', source.key, number(seqOf(source.refs[i])), source.refs[i]) end
  end
end

-- How old the job is that a source gives next.
local function ageOf(source)
  if source.isReleased then return source.ages[source.at] end
  if source.seenAt ~= source.refs[source.at] then
    source.seenAt = source.refs[source.at]
    source.age = seqOf(source.seenAt)
  end
  return source.age
end

-- The source with the oldest job, each refilled where it ran out.
local function oldest(sources)
  local best
  for i = #sources, 1, -1 do
    local source = sources[i]
    if source.at > source.count and not refill(source) then table.remove(sources, i)
    elseif #sources == 1 or not best or ageOf(source) < ageOf(best) then best = source end
  end
  return best
end

local function sourcesOf(lines, room)
  local sources = {}
  for _, line in ipairs(lines) do
    sources[#sources + 1] = { key = LIST .. line, isList = true, line = line, refs = {}, at = 1, count = 0, given = 0 }
    sources[#sources + 1] = { key = BACK .. line, line = line, refs = {}, at = 1, count = 0, given = 0 }
    sources[#sources + 1] = { key = PASSED .. line, isPassed = true, line = line, refs = {}, at = 1, count = 0, given = 0 }
  end
  for i = #sources, 1, -1 do
    if call('EXISTS', sources[i].key) == 0 then table.remove(sources, i) end
  end
  for _, line in ipairs(lines) do
    local its = released[line]
    if its and its.at <= its.count then
      its.given = 0
      sources[#sources + 1] = its
    end
  end
  local chunk = #sources == 1 and room or max(8, ceil(room / max(1, #sources)))
  for _, source in ipairs(sources) do source.chunk = number(min(chunk, 2000)) end
  return sources
end

-- Takes from lines of one rank; returns how many.
local function takeLines(lines, room, worker, now)
  local all = sourcesOf(lines, room)
  local sources, taken, passed = { unpack(all) }, 0, {}
  while taken < room do
    local source = oldest(sources)
    if not source then break end
    local did = consider(source, source.at, worker, now)
    if did then
      taken = taken + 1
      source.given = source.given + 1
    elseif did == false then passed[#passed + 1] = { source.line, source.refs[source.at] } end
    source.at = source.at + 1
  end
  for _, source in ipairs(all) do
    giveBack(source)
    if source.given > 0 then
      local kind = match(source.line, '^%d+')
      tally('r', kind, -source.given)
      tally('u', kind, source.given)
      used[kind] = true
    end
  end
  for _, each in ipairs(passed) do call('ZADD', BACK .. each[1], number(seqOf(each[2])), each[2]) end
  return taken
end

-- Lines with nothing in them are forgotten; returns how many of these are left.
local function closeLines(queue, lines)
  local left = 0
  for _, line in ipairs(lines) do
    local its = released[line]
    if call('EXISTS', LIST .. line, BACK .. line, PASSED .. line) == 0 and not (its and its.at <= its.count) then
      call('ZREM', READY .. queue, line)
      lined[line] = nil
    else left = left + 1 end
  end
  return left
end

local function wantedKinds(queue, tasks)
  local names, wanted = {}, {}
  for i, task in ipairs(tasks) do names[i] = queue .. S .. task end
  for _, kind in ipairs(hmget(KIND, names)) do
    if kind then wanted[kind] = true end
  end
  return wanted
end

-- The lines of the next rank that has a wanted one, beginning with the line at this place; and where the rank after it begins.
local function nextRank(queue, wanted, at)
  local lines, rank = {}, nil
  while true do
    local page = call('ZRANGE', READY .. queue, at, at + 63, 'WITHSCORES')
    for i = 1, #page, 2 do
      if rank and page[i + 1] ~= rank then return lines, at end
      if wanted[match(page[i], '^%d+')] then
        lines[#lines + 1] = page[i]
        rank = page[i + 1]
      end
      at = at + 1
    end
    if #page < 128 then return lines, at end
  end
end

local pausedQueues = {}
local function isPaused(queue)
  if pausedQueues[queue] == nil then pausedQueues[queue] = call('SISMEMBER', PAUSED, queue) == 1 end
  return pausedQueues[queue]
end

local function take(queue, tasks, room, worker, now)
  if isPaused(queue) then return 0 end
  local wanted, taken, at = wantedKinds(queue, tasks), 0, 0
  while taken < room do
    local lines, after = nextRank(queue, wanted, at)
    if #lines == 0 then break end
    taken = taken + takeLines(lines, room - taken, worker, now)
    at = after - #lines + closeLines(queue, lines)
  end
  return taken
end

-- Divides the room of a want among its queues; those that filled theirs are asked again for what the others left.
local function fillWant(queues, tasks, limit, worker, now)
  local taken, asked = 0, queues
  while #asked > 0 do
    local filled = {}
    for i, queue in ipairs(asked) do
      local room = ceil((limit - taken) / (#asked - i + 1))
      if not (room > 0) then return end
      local found = take(queue, tasks, room, worker, now)
      taken = taken + found
      if found == room then filled[#filled + 1] = queue end
    end
    asked = filled
  end
end

claimNo = number((call('HGET', META, 'claim') or 0) + 1)
plain.head = worker .. S .. '1' .. rep(S, 2) .. claimNo .. rep(S, 2)
plain.tail = rep(S, 2) .. '1' .. S .. '0' .. S .. now .. S .. '0' .. rep(S, 9) .. 'u'
local at = from
while at <= #ARGV do
  local limit, queueCount, taskCount = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local queues, tasks = {}, {}
  for i = 1, queueCount do queues[i] = ARGV[at + 2 + i] end
  for i = 1, taskCount do tasks[i] = ARGV[at + 2 + queueCount + i] end
  at = at + 3 + queueCount + taskCount
  fillWant(queues, tasks, limit, worker, now)
end
many('HSET', STATE, claimedRecords)
if claimedCount > 0 then
  call('HSET', META, 'claim', claimNo)
  call('HSET', RUN .. worker, claimNo, concat(claimedIds, S))
  call('HSET', LEFT .. worker, claimNo, number(claimedCount))
end
endPart()
writeTally()
past.write()
end
`;
