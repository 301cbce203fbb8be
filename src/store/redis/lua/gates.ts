// Lua: gates, as `gate.ts` says it. What is known of a gate is one text in a hash; who stands before it is in a sorted set of its own, by
// rank and then by age, unless it passes at once. A gate for places alone is forgotten when nobody needs it; a bucket when it is full again.
// In the record of a job stand the names of the gates of which it has a place, in the order in which it passed them, so that an end need
// not read what was submitted; and its age in the line of ready jobs.
import { dueSoonMs, gateMs } from "../../machine.ts";

/** Walking up to gates, leaving them, and the rounds. */
export const gates: string = String.raw`
local makeReady, ageOf, placesOf, walkUp, leaveGates, startGates, openGates, writeGates, readGates, lookAtDue
-- The gates that moved, and those read, by name.
local moved, known = {}, {}
local function bySeqText(a, b) return a[SEQ] < b[SEQ] end
do
local walkers, given, left = {}, {}, {}
-- Whether its end wants care and it has gates, its age, the places it has, and what it waits for.
local carePattern = '^(c?)(g?)(%x*)([^\30]*)(.*)$'

ageOf = function(row)
  local _, _, age = match(row[CARE], carePattern)
  return age ~= '' and age or row[SEQ]
end

placesOf = function(row)
  local _, _, _, places = match(row[CARE], carePattern)
  local names = {}
  for name in gmatch(places, '\29([^\29]*)') do names[#names + 1] = name end
  return names
end

local function setPlaces(row, age, names)
  local care, gated, before, _, waits = match(row[CARE], carePattern)
  row[CARE] = care .. gated .. (age or before) .. (#names > 0 and '\29' .. concat(names, '\29') or '') .. waits
end

-- The gates of a job: name, room, time for a token or '', until it is s(tarted) or e(nded).
local function gatesOf(row)
  local s = static(row)
  if not s.gates then
    s.gates = {}
    for name, room, every, till in gmatch(s.till, '\29([^\30]*)\30([^\30]*)\30([^\30]*)\30(.)') do
      s.gates[#s.gates + 1] = { name = name, room = tonumber(room), every = tonumber(every), till = till }
    end
  end
  return s.gates
end

local function giveBack(name)
  given[name] = (given[name] or 0) + 1
  moved[name] = true
end

walkUp = function(row)
  move(row, 'b')
  setPlaces(row, nil, {})
  row.walks = true
  walkers[#walkers + 1] = row
end

-- Gives back all that a job has, and takes it out of the line it stands in.
leaveGates = function(row)
  if not isGated(row) then return end
  local names = placesOf(row)
  for _, name in ipairs(names) do giveBack(name) end
  if row.walks then row.walks = false
  elseif row[STATUS] == 'b' and row[PENDING] == '0' then
    local name = gatesOf(row)[#names + 1].name
    call('ZREM', BEFORE .. name, refOf(row))
    left[name] = (left[name] or 0) + 1
  end
  setPlaces(row, '', {})
end

-- A job that has passed all its gates starts; what it keeps until then is given back.
startGates = function(row)
  local names, all, kept = placesOf(row), gatesOf(row), {}
  if #names < #all then return end
  for i, gate in ipairs(all) do
    if gate.till == 's' then giveBack(gate.name) else kept[#kept + 1] = gate.name end
  end
  setPlaces(row, nil, kept)
end
local gatePattern = '^(%S+) (%S+) (%S+) ?(%S*) ?(%S*) ?(%S*) ?(%S*)$'

-- Reads these gates, where they are not known yet. Of those that are not there false is known.
readGates = function(names)
  local asked = {}
  for name in pairs(names) do
    if known[name] == nil then
      known[name] = false
      asked[#asked + 1] = name
    end
  end
  for i, text in ipairs(hmget(GATES, asked)) do
    if text then
      local room, held, waiting, every, tokens, at, nextAt = match(text, gatePattern)
      known[asked[i]] = { room = tonumber(room), held = tonumber(held), waiting = tonumber(waiting), every = tonumber(every),
        tokens = tonumber(tokens), at = tonumber(at), nextAt = tonumber(nextAt), wasAt = tonumber(nextAt), joined = {} }
    end
  end
end

-- Notes what was given back and left.
local function takeBackPlaces()
  readGates(given)
  readGates(left)
  for name, count in pairs(given) do
    local gate = known[name]
    if gate then
      gate.held = gate.held - count
      gate.changed = true
    end
  end
  for name, count in pairs(left) do
    local gate = known[name]
    if gate then
      gate.waiting = gate.waiting - count
      gate.changed = true
    end
  end
  given, left = {}, {}
end

local function isBefore(a, b)
  local x, y = tonumber(a[RANK]), tonumber(b[RANK])
  if x ~= y then return x < y end
  return a[SEQ] < b[SEQ]
end

local function join(row, now)
  row.walks = false
  local spec = gatesOf(row)[#placesOf(row) + 1]
  local gate = known[spec.name]
  if not gate then
    gate = { held = 0, waiting = 0, joined = {} }
    known[spec.name] = gate
  end
  if not gate.tokens then gate.tokens, gate.at = spec.room, tonumber(now) end
  gate.room, gate.every, gate.changed = spec.room, spec.every, true
  gate.waiting = gate.waiting + 1
  gate.joined[#gate.joined + 1] = row
  moved[spec.name] = true
end

local function refill(gate, now)
  if not gate.every then return end
  gate.tokens = min(gate.room - gate.held, gate.tokens + max(0, now - gate.at) / gate.every)
  gate.at = now
end

local function stand(name, rows, from)
  local args = {}
  for i = from, #rows do
    args[#args + 1] = rows[i][RANK]
    args[#args + 1] = refOf(rows[i])
  end
  many('ZADD', BEFORE .. name, args)
end

-- Lets pass whom a gate can: those that walked up just now into rows, those that stood in its line into refs, with the gate's name.
local function open(name, gate, now, passing)
  refill(gate, now)
  local count = min(gate.waiting, gate.room - gate.held)
  if gate.every then count = min(count, math.floor(gate.tokens)) end
  count = max(count, 0)
  if gate.waiting == #gate.joined then
    if #gate.joined > 1 then table.sort(gate.joined, isBefore) end
    for i = 1, count do passing[#passing + 1] = { name, nil, gate.joined[i] } end
    if count < gate.waiting then stand(name, gate.joined, count + 1) end
  else
    if #gate.joined > 0 then stand(name, gate.joined, 1) end
    if count > 0 then
      local popped = call('ZPOPMIN', BEFORE .. name, number(count))
      for i = 1, #popped, 2 do passing[#passing + 1] = { name, popped[i] } end
    end
  end
  gate.joined = {}
  gate.held, gate.waiting, gate.changed = gate.held + count, gate.waiting - count, true
  if gate.every then gate.tokens = gate.tokens - count end
  gate.nextAt = nil
  if gate.waiting > 0 and gate.every and gate.held < gate.room then
    gate.nextAt = now + max(${gateMs}, ceil((1 - gate.tokens) * gate.every))
    isScheduled = isScheduled or gate.nextAt <= now + ${dueSoonMs}
  end
end

-- A round: those that walked up join their lines, then all gates that moved let pass whom they can.
local function goRound(now)
  local joining = {}
  for _, row in ipairs(walkers) do
    if row.walks then
      joining[#joining + 1] = row
      moved[gatesOf(row)[#placesOf(row) + 1].name] = true
    end
  end
  walkers = {}
  readGates(moved)
  takeBackPlaces()
  table.sort(joining, bySeqText)
  for _, row in ipairs(joining) do join(row, now) end
  local opening, passing, refs, through = moved, {}, {}, {}
  moved = {}
  for name in pairs(opening) do
    if known[name] then open(name, known[name], tonumber(now), passing) end
  end
  for _, each in ipairs(passing) do refs[#refs + 1] = each[2] end
  rowsOf(refs)
  for _, each in ipairs(passing) do
    local row = each[3] or deref(each[2])
    local names = placesOf(row)
    names[#names + 1] = each[1]
    setPlaces(row, nil, names)
    touch(row)
    if #names == #gatesOf(row) then through[#through + 1] = row
    else
      row.walks = true
      walkers[#walkers + 1] = row
    end
  end
  return through
end

-- Goes round until nothing moves.
openGates = function(now)
  while #walkers > 0 or next(moved) or next(left) do
    local through = goRound(now)
    table.sort(through, bySeqText)
    local age = #through > 0 and nextSeqs(#through) or 0
    for i, row in ipairs(through) do
      local places = placesOf(row)
      setPlaces(row, format('%011x', age + i - 1), places)
      move(row, 'r')
      makeReady(row, now)
    end
  end
end

writeGates = function()
  local texts, gone = {}, {}
  for name, gate in pairs(known) do
    if gate and gate.changed then
      local isIdle = gate.held == 0 and gate.waiting == 0
      if isIdle and not gate.every then gone[#gone + 1] = name
      else
        local text = number(gate.room) .. ' ' .. number(gate.held) .. ' ' .. number(gate.waiting)
        if gate.every then
          text = text .. ' ' .. number(gate.every) .. ' ' .. number(gate.tokens) .. ' ' .. number(gate.at) .. ' '
            .. (gate.nextAt and number(gate.nextAt) or '')
          if isIdle then call('ZADD', FULL, number(gate.at + ceil((gate.room - gate.tokens) * gate.every)), name) end
        end
        texts[#texts + 1], texts[#texts + 2] = name, text
      end
      if gate.nextAt and gate.nextAt ~= gate.wasAt then call('ZADD', LOOK, number(gate.nextAt), name)
      elseif gate.wasAt and not gate.nextAt then call('ZREM', LOOK, name) end
    end
  end
  many('HSET', GATES, texts)
  many('HDEL', GATES, gone)
  known = {}
end
-- Notes the gates whose time has come, and forgets buckets that are full and that nobody needs.
lookAtDue = function(nowMs, names)
  takeBackPlaces()
  for _, name in ipairs(names) do moved[name] = true end
  local full = {}
  for _, name in ipairs(call('ZRANGEBYSCORE', FULL, '-inf', number(nowMs))) do full[name] = true end
  readGates(full)
  for name in pairs(full) do call('ZREM', FULL, name) end
  for name, gate in pairs(known) do
    if gate and gate.held == 0 and gate.waiting == 0 and (not gate.every or gate.at + ceil((gate.room - gate.tokens) * gate.every) <= nowMs) then
      call('HDEL', GATES, name)
      call('ZREM', LOOK, name)
      known[name] = false
    end
  end
end
end
`;

/** Gates for people. */
export const showGates: string = String.raw`
-- Arguments: names. Those that someone needs: name, what is known, ids of some that have a place.
local wanted, holders, budget = {}, {}, 20000
for _, name in ipairs(ARGV) do wanted[name] = true end
readGates(wanted)
for name in pairs(wanted) do
  local gate = known[name]
  wanted[name] = gate and (gate.held > 0 or gate.waiting > 0) or nil
  holders[name] = {}
end

local function look(ids)
  local asked, seen = {}, {}
  for _, id in ipairs(ids) do
    if rows[id] == nil and budget > 0 then
      asked[#asked + 1] = id
      budget = budget - 1
    end
  end
  fetch(asked)
  for _, id in ipairs(asked) do
    local row = rows[id]
    if row and isGated(row) and not seen[id] then
      seen[id] = true
      for _, name in ipairs(placesOf(row)) do
        if wanted[name] then holders[name][#holders[name] + 1] = row end
      end
    end
  end
end

local function lookAt(refs)
  local ids = {}
  for i = 1, #refs do ids[i] = sub(refs[i], 12) end
  look(ids)
end

if next(wanted) then
  for _, worker in ipairs(call('ZRANGE', LEASE, 0, -1)) do
    for _, claimed in ipairs(call('HVALS', RUN .. worker)) do
      local ids = {}
      for id in gmatch(claimed, '[^\31]+') do ids[#ids + 1] = id end
      look(ids)
    end
  end
  local names, queues = call('HVALS', KINDS), {}
  for _, name in ipairs(names) do queues[match(name, '^[^\31]*')] = true end
  for queue in pairs(queues) do
    for _, line in ipairs(call('ZRANGE', READY .. queue, 0, 999)) do
      lookAt(call('LRANGE', LIST .. line, 0, max(budget, 0)))
      lookAt(call('ZRANGE', BACK .. line, 0, max(budget, 0)))
    end
  end
  for _, name in ipairs(call('HKEYS', GATES)) do
    if budget > 0 then lookAt(call('ZRANGE', BEFORE .. name, 0, budget)) end
  end
end

local out = {}
for name in pairs(wanted) do
  local ids = {}
  table.sort(holders[name], bySeqText)
  for i = 1, min(10, #holders[name]) do ids[i] = holders[name][i].id end
  out[#out + 1] = name
  out[#out + 1] = call('HGET', GATES, name)
  out[#out + 1] = concat(ids, S)
end
return out
`;
