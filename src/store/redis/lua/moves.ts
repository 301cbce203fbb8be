// Lua: moving jobs between their states, and the lines and sets they stand in, which are changed at once.

import { dueSoonMs } from "../../machine.ts";

/** Moves of single jobs. */
export const moves: string = String.raw`
local tails, openGates = {}, nil
-- Of those that ended otherwise than as done place and reference.
local unsuccessfulEnds = {}
-- The seq of the youngest job of a line's list.
local function tailOf(line)
  if not tails[line] then
    local last = call('LINDEX', LIST .. line, -1)
    tails[line] = last and seqOf(last) or -1
  end
  return tails[line]
end

-- A line of ready jobs is a list as long as they come in the order they were added, which is nearly always; a sorted set beside
-- it holds those that come back, of which a claim reads the record. Who leaves the line otherwise than by a claim is left in it, and passed over.
-- A job with gates stands there by when it passed the last of them.
local function makeReady(row, now)
  row[READYAT] = now
  local line = openLine(row[KINDNO], row[RANK])
  local place = isGated(row) and gates.ageOf(row) or row[SEQ]
  local seq = tonumber(place, 16)
  if seq > tailOf(line) and not row.hasLeft and (row[FENCE] == '0' or place ~= row[SEQ]) then
    call('RPUSH', LIST .. line, place .. row.id)
    tails[line] = seq
  else call('ZADD', BACK .. line, number(seq), place .. row.id) end
  isReady = true
end

-- A ready job that has passed gates is changed, and will pass some anew, and be younger: it comes back to the sorted set, which it can leave
-- again, so that one that is changed over and over is in its line twice at most.
function gates.leaveLine(row)
  if row[STATUS] ~= 'r' or not isGated(row) then return end
  call('ZREM', BACK .. row[KINDNO] .. ':' .. row[RANK], gates.ageOf(row) .. row.id)
  row.hasLeft = true
end

local function await(row, now)
  if row[DUEAT] == '' then return end
  call('ZADD', DUE, row[DUEAT], refOf(row))
  isScheduled = isScheduled or tonumber(row[DUEAT]) <= tonumber(now) + ${dueSoonMs}
end

-- Ready without passing gates.
local function comeBack(row, now)
  move(row, 'r')
  if row[ATTEMPT] == '0' and row[EXPIRES] ~= '' then call('ZADD', EXPIRING, row[EXPIRES], refOf(row)) end
  makeReady(row, now)
end

local function place(row, state, now)
  local isBlocked = state == 'r' and isGated(row)
  if not isBlocked then move(row, state) end
  if row[ATTEMPT] == '0' and row[EXPIRES] ~= '' then call('ZADD', EXPIRING, row[EXPIRES], refOf(row)) end
  if isBlocked then gates.walkUp(row)
  elseif state == 'r' then makeReady(row, now)
  elseif state == 's' or state == 'w' then await(row, now) end
end

local function restingState(pending, due, now)
  if pending > 0 then return 'b' end
  if due ~= '' and tonumber(due) > tonumber(now) then return 's' end
  return 'r'
end

local function hold(row)
  local s = static(row)
  if s.key == '' then return end
  row[HOLDS] = 'h'
  call('HSET', UNIQUE, s.key, row.id)
end

local function release(row)
  if row[HOLDS] == '' then return end
  row[HOLDS] = ''
  call('HDEL', UNIQUE, static(row).key)
end

local function keepUntil(row, time)
  row[PRUNEAT] = number(time)
  local later = laterFor(keptFor(row), row[PRUNEAT])
  later[#later + 1] = row.id
  touch(row)
end

-- Takes a waiting job out of the sets of those that wait for a time.
local function forgetTimes(row)
  if (row[STATUS] == 's' or row[STATUS] == 'w') and row[DUEAT] ~= '' then call('ZREM', DUE, refOf(row)) end
  if row[EXPIRES] ~= '' and row[ATTEMPT] == '0' then call('ZREM', EXPIRING, refOf(row)) end
end

-- Ends a job; what that does to others is not done here.
local function finish(row, state, now)
  if not isHeld(row) then forgetTimes(row) end
  gates.leave(row)
  setWaits(row, '')
  move(row, state)
  row[ENDEDAT] = now
  release(row)
  keepUntil(row, tonumber(now) + tonumber(keptFor(row)))
  if state ~= 'd' then unsuccessfulEnds[#unsuccessfulEnds + 1], unsuccessfulEnds[#unsuccessfulEnds + 2] = tonumber(row[SEQ], 16), refOf(row) end
  isEnded = true
end

-- Makes a scheduled or suspended job ready.
local function promote(row, now)
  if row[DUEAT] ~= '' then call('ZREM', DUE, refOf(row)) end
  setWaits(row, '')
  place(row, 'r', now)
end

-- Takes so many dependencies off a blocked job.
local function unblock(row, count, now)
  local pending = tonumber(row[PENDING]) - count
  row[PENDING] = number(pending)
  touch(row)
  if pending == 0 then place(row, restingState(0, row[DUEAT], now), now) end
end
`;
