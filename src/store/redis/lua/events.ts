// Lua: events. A stream has an entry for what a script did, or several when it did much: how many events, and a text of them, those that
// have all but the id in common together: queue, task, from and to (the letters of states), attempt, worker, number of ids, ids. The field
// "history" of what is known of the store says for how long entries are kept, and is missing while none are; "lost" is the last event that is gone.
// The first number of an entry's id is a time, but that of the entry before when the clock was set back: the field "t" has its own. A cursor is the id
// of an entry, in two numbers, and how many of its events come before.

/** Noting what happens; a part of every script that changes states. */
export const history: string = String.raw`
local past = { key = P .. 'history', parts = {}, ids = {}, count = 0 }

function past.isKept()
  if past.kept == nil then past.kept = call('HEXISTS', META, 'history') == 1 end
  return past.kept
end

function past.endGroup()
  local ids, parts = past.ids, past.parts
  if #ids == 0 then return end
  parts[#parts + 1] = concat({ nameOf(past.kind), past.from, past.to, past.attempt, past.worker, #ids, concat(ids, S) }, S)
  past.ids = {}
end

-- Writes what was noted.
function past.write()
  if past.count == 0 then return end
  past.endGroup()
  local time = call('TIME')
  local ms = format('%03d', math.floor(time[2] / 1000))
  call('XADD', past.key, '*', 'n', past.count, 'e', concat(past.parts, S), 't', time[1] .. ms)
  past.parts, past.count = {}, 0
end

-- A job came from one state to another; from '' when it was added.
function past.note(id, kind, from, to, attempt, worker)
  if from == to or not past.isKept() then return end
  if kind ~= past.kind or to ~= past.to or from ~= past.from or attempt ~= past.attempt or worker ~= past.worker then
    past.endGroup()
    past.kind, past.from, past.to, past.attempt, past.worker = kind, from, to, attempt, worker
  end
  past.ids[#past.ids + 1] = id
  past.count = past.count + 1
  if past.count == 100 then past.write() end
end
`;

/** Says for how long events are kept. */
export const keepEvents: string = String.raw`
-- Arguments: for how long, in ms, or '' to leave it; for how long where none are kept.
local before = call('HGET', META, 'history') or '0'
local kept = ARGV[1] ~= '' and ARGV[1] or before ~= '0' and before or ARGV[2]
if kept == before then return before end
if kept ~= '0' then call('HSET', META, 'history', kept) else call('HDEL', META, 'history') end
if before == '0' or kept == '0' then
  -- What happens until they are kept again is missing: an entry stands for it.
  local missing = call('XADD', P .. 'history', '*', 'n', '1', 'e', '')
  call('XTRIM', P .. 'history', 'MAXLEN', '0')
  call('HSET', META, 'lost', missing .. '-1')
end
return kept
`;

/** Reads events. */
export const readEvents: string = String.raw`
-- Arguments: id of the entry to begin with, '' to read none; how many events. For each entry its id, time and text; then for how long events are
-- kept, the last that is lost, and the last entry and how many events it has.
local out, n, left, from = {}, 0, tonumber(ARGV[2]), ARGV[1]
while from ~= '' and left > 0 do
  local entries = call('XRANGE', P .. 'history', from, '+', 'COUNT', 20)
  from = ''
  for _, entry in ipairs(entries) do
    if left <= 0 then break end
    out[n + 1], out[n + 2], out[n + 3] = entry[1], entry[2][6], entry[2][4]
    n = n + 3
    left = left - tonumber(entry[2][2])
    if #entries == 20 then from = '(' .. entry[1] end
  end
end
local last = call('XREVRANGE', P .. 'history', '+', '-', 'COUNT', 1)[1]
return { out, call('HGET', META, 'history') or '0', call('HGET', META, 'lost') or '0-0-0', last and last[1] .. '-' .. last[2][2] or '' }
`;

/** Deletes old ones, of the first so many. Those of a clock that was ahead are as old as the first behind them whose time has come. */
export const forgetHistory: string = String.raw`
local function entryTime(entry)
  return tonumber(entry[2][6])
end

-- The first entry whose time has come. When the clock was set back, its id has the time of those before it, and those behind it have that too.
function past.firstCome(nowMs)
  local first = call('XRANGE', past.key, '-', '+', 'COUNT', 1)[1]
  if not first or entryTime(first) <= nowMs then return first end
  local last = call('XREVRANGE', past.key, '+', '-', 'COUNT', 1)[1]
  for _, entry in ipairs(call('XRANGE', past.key, match(last[1], '^%d+'), '+', 'COUNT', 100)) do
    if entryTime(entry) <= nowMs then return entry end
  end
end

local function forgetHistory(nowMs, limit)
  local kept = call('HGET', META, 'history')
  if not kept then return end
  local upto, come = nowMs - tonumber(kept), past.firstCome(nowMs)
  if not come or entryTime(come) > upto then return end
  local isBehind = false
  while limit > 0 do
    local entries, ids = call('XRANGE', past.key, '-', '+', 'COUNT', 50), {}
    for i, entry in ipairs(entries) do
      if limit <= 0 or (isBehind and entryTime(entry) > upto) then break end
      ids[i] = entry[1]
      call('HSET', META, 'lost', entry[1] .. '-' .. entry[2][2])
      limit = limit - tonumber(entry[2][2])
      isBehind = isBehind or entry[1] == come[1]
    end
    many('XDEL', past.key, ids)
    if #ids < 50 then return end
  end
end
`;
