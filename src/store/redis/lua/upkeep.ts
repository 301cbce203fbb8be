// Lua: workers, and the upkeep, in the order `Store.tend` says.

/** Tends. */
export const tend: string = String.raw`
-- Arguments: origin, now, limit.
despiteFullMemory()
local now, limit = ARGV[2], min(tonumber(ARGV[3]), 1e9)
local nowMs, ended, lost, recovered = tonumber(ARGV[2]), {}, {}, 0

local function dueIn(key)
  if limit <= 0 then return {} end
  return call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', '0', number(limit))
end

for _, worker in ipairs(call('ZRANGEBYSCORE', LEASE, '-inf', now)) do
  local running = runningWith(worker)
  recovered = recovered + #running
  for _, row in ipairs(takeBack(running, 'l', now)) do ended[#ended + 1] = row end
  forgetWorker(worker)
  lost[#lost + 1] = worker
end

local late = rowsOf(dueIn(EXPIRING))
for _, row in ipairs(late) do
  finish(row, 'e', now)
  ended[#ended + 1] = row
end
for _, row in ipairs(failAbove(late, now)) do ended[#ended + 1] = row end

local due = rowsOf(dueIn(DUE))
for _, row in ipairs(due) do
  promote(row, now)
end

local reported = report(ended)
lookAtDue(nowMs, dueIn(LOOK))
flush(now)
local over = takePruned(nowMs, limit)
local isInGraph = graphOf(over)
local gone, needed = splitNeeded(over, isInGraph)
for _, each in ipairs(needed) do
  local row = find(each.id)
  keepUntil(row, nowMs + max(tonumber(keptFor(row)), 60000))
end
deleteJobs(gone, isInGraph)
forgetHistory(nowMs, limit * 10)
flush()
local names = usedNames()
forgetKinds()
local nextDue = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2]
local nextLook = call('ZRANGE', LOOK, 0, 0, 'WITHSCORES')[2]
if not nextDue or (nextLook and tonumber(nextLook) < tonumber(nextDue)) then nextDue = nextLook end
return { #due, recovered, #gone, reported, lost, nextDue or '', names, tell(ARGV[1]), call('TIME') }
`;

/** What is known of workers. */
export const workers: string = String.raw`
local function forgetWorker(worker)
  call('ZREM', LEASE, worker)
  call('HDEL', WORKER, worker)
  call('SREM', DRAIN, worker)
  call('HDEL', VOID, worker)
  call('DEL', RUN .. worker, LEFT .. worker, WISH .. worker, SUSPECT .. worker)
end
`;

/** Announces a worker. */
export const join: string = String.raw`
-- Arguments: worker, lease until, what it says of itself.
call('HSET', WORKER, ARGV[1], ARGV[3])
call('ZADD', LEASE, ARGV[2], ARGV[1])
call('SREM', DRAIN, ARGV[1])
`;

/** Renews a lease. */
export const renew: string = String.raw`
-- Arguments: worker, lease until; or '+' and for how long, by the server's clock.
despiteFullMemory()
local worker, untilMs, time = ARGV[1], ARGV[2], call('TIME')
if not call('ZSCORE', LEASE, worker) then return { 0, {}, 0, time } end
if sub(untilMs, 1, 1) == '+' then
  untilMs = number(time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(sub(untilMs, 2)))
end
call('ZADD', LEASE, untilMs, worker)
return { 1, call('ZRANGE', WISH .. worker, 0, -1), call('SISMEMBER', DRAIN, worker), time }
`;

/** Asks a worker to stop. */
export const drain: string = String.raw`
if not call('ZSCORE', LEASE, ARGV[1]) then return 0 end
call('SADD', DRAIN, ARGV[1])
return 1
`;

/** Pauses or resumes a queue. */
export const pause: string = String.raw`
-- Arguments: origin, queue, '1' to pause.
if ARGV[3] == '1' then
  call('SADD', PAUSED, ARGV[2])
  return ''
end
if call('SREM', PAUSED, ARGV[2]) == 0 then return '' end
isReady = true
return tell(ARGV[1])
`;

/** Ends a lease. */
export const leave: string = String.raw`
-- Arguments: origin, worker, now.
despiteFullMemory()
takeBack(runningWith(ARGV[2]), 'r', ARGV[3])
flush(ARGV[3])
forgetWorker(ARGV[2])
return tell(ARGV[1])
`;

/** Gives back what a worker does not have. */
export const releaseOthers: string = String.raw`
-- Arguments: origin, worker, now, number of the last settle, fence and id of each claim it has.
despiteFullMemory()
if call('ZSCORE', LEASE, ARGV[2]) then call('HSET', VOID, ARGV[2], ARGV[1] .. ' ' .. ARGV[4]) end
local kept, others = {}, {}
for i = 5, #ARGV do kept[ARGV[i]] = true end
for _, row in ipairs(runningWith(ARGV[2])) do
  if not kept[row[FENCE] .. ' ' .. row.id] then others[#others + 1] = row end
end
takeBack(others, 'r', ARGV[3])
flush(ARGV[3])
return { #others, tell(ARGV[1]) }
`;

/** Records progress. */
export const note: string = String.raw`
-- Arguments: worker; for each job id, fence, text.
for i = 2, #ARGV, 3 do
  local row = find(ARGV[i])
  if row and isHeld(row) and row[WORKEROF] == ARGV[1] and row[FENCE] == ARGV[i + 1] then
    row[PROGRESS] = ARGV[i + 2]
    touch(row)
  end
end
flush()
`;

/** Says which attempts wait. */
export const suspend: string = String.raw`
-- Arguments: worker; for each job id, fence, what it waits for or ''.
for i = 2, #ARGV, 3 do
  local row = find(ARGV[i])
  if row and isHeld(row) and row[WORKEROF] == ARGV[1] and row[FENCE] == ARGV[i + 1] then
    setWaits(row, ARGV[i + 2])
    move(row, ARGV[i + 2] == '' and 'u' or 'w')
  end
end
flush()
`;

/** Lists workers. */
export const listWorkers: string = String.raw`
local out, leases = {}, call('ZRANGE', LEASE, 0, -1, 'WITHSCORES')
for i = 1, #leases, 2 do
  local id, running = leases[i], 0
  for _, left in ipairs(call('HVALS', LEFT .. id)) do running = running + tonumber(left) end
  out[#out + 1] = id
  out[#out + 1] = leases[i + 1]
  out[#out + 1] = call('HGET', WORKER, id) or ''
  out[#out + 1] = number(running)
end
return out
`;
