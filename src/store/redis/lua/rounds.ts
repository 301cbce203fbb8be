// Lua: the rounds of gates: those that walked up join their lines, then every gate that moved lets pass whom it can, until nothing moves.
//
// Most jobs with gates have one and nothing else that would need care. Such a job is marked "*" when it is added, and has no record while it stands
// before its gate: behind its reference in the line is what it takes to let it pass, so its record is written and nothing read. Then
// it is in a list beside that of its line, with what it takes to start it: as long as it is marked, nothing has happened to it since. Whatever
// else writes its record changes the mark, as of a job marked "-". All others go through rows.
import { dueSoonMs, gateMs } from "../../machine.ts";

/** The rounds. */
export const rounds: string = String.raw`
do
local passed, passedAt, nobody = {}, nil, {}

local function isBefore(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  return a.age < b.age
end

-- The newest says how wide a gate is.
local function join(walker, gate, now)
  local spec = walker.gate
  if not gate then
    gate = { held = 0 }
    gates.known[spec.name] = gate
  end
  -- What becomes a bucket is a full one.
  if not gate.tokens then gate.tokens, gate.at = spec.room, now end
  gate.room, gate.every = spec.room, spec.every
  gate.joined = gate.joined or {}
  gate.joined[#gate.joined + 1] = walker
end

local function stand(name, joined, from)
  local args = {}
  for i = from, #joined do
    local walker = joined[i]
    args[#args + 1] = walker.rankText
    args[#args + 1] = walker.age .. walker.id .. walker.suffix
  end
  many('ZADD', BEFORE .. name, args)
end

-- How many may pass.
local function roomOf(gate, now)
  local count = gate.room - gate.held
  if gate.every then
    gates.refill(gate, now)
    count = min(count, math.floor(gate.tokens))
  end
  return max(count, 0)
end

-- Notes one that passed its last gate: a row, or of a job without a record its member of the line.
local function add(through, member, gate, row)
  local n = through.count + 1
  through.count, through.passed[n], through.gates[n] = n, member, gate
  if row then through.rows[n] = row end
end

-- Lets pass whom a gate can, of its line and of those that walked up just now. Returns how many.
local function letPass(name, count, joined, through, joiners)
  if #joined > 0 and call('EXISTS', BEFORE .. name) == 0 then
    if #joined > 1 then table.sort(joined, isBefore) end
    count = min(count, #joined)
    for i = 1, count do joiners[#joiners + 1] = joined[i] end
    if count < #joined then stand(name, joined, count + 1) end
    return count
  end
  if #joined > 0 then stand(name, joined, 1) end
  if count == 0 then return 0 end
  local popped = call('ZPOPMIN', BEFORE .. name, gates.textOf(count))
  for i = 1, #popped, 2 do
    if search(popped[i], S, 12, true) then add(through, popped[i], name)
    else
      through.others[#through.others + 1] = popped[i]
      through.before[#through.others] = name
    end
  end
  return #popped / 2
end

local function open(name, gate, now, through, joiners)
  local count = letPass(name, roomOf(gate, now), gate.joined or nobody, through, joiners)
  gate.joined = nil
  gate.held = gate.held + count
  gate.nextAt = nil
  if not gate.every then return end
  gate.tokens = gate.tokens - count
  if gate.held < gate.room and call('EXISTS', BEFORE .. name) == 1 then
    gate.nextAt = now + max(${gateMs}, ceil((1 - gate.tokens) * gate.every))
    isScheduled = isScheduled or gate.nextAt <= now + ${dueSoonMs}
  end
end

-- What those of one line that pass in this script have in common.
local function lineOf(suffix, now)
  local mark, kind, keep, rank = match(suffix, '^\31(.)\31([^\31]*)\31([^\31]*)\31(.*)$')
  local flag = mark == '\28' and 'h' or 'g'
  -- Seq and rank are left out, and of its place and age the record says nothing yet: those stand in the entry.
  local record = concat({ '', '0', flag, '', '', kind, keep, '', now, '0', '0', '', '0' }, S) .. rep(S, 9) .. 'r'
  local common = { suffix = suffix, kind = kind, rank = rank, mark = mark, before = S .. now .. S, record = record, entries = {}, count = 0 }
  passed[suffix] = common
  return common
end

-- Notes one that passed: to be ready, or to walk on.
local function passRow(through, onward, row)
  local names, places = gates.placesOf(row)
  local all = gates.of(row)
  local gate = all[#names + 1]
  gates.setPlaces(row, nil, places .. gate.mark .. gate.name)
  touch(row)
  if #names + 1 == #all then add(through, refOf(row), nil, row) else onward[#onward + 1] = row end
end

local function byRef(a, b) return a[SEQ] < b[SEQ] end

local function walkOn(onward)
  if #onward == 0 then return end
  table.sort(onward, byRef)
  local age = nextSeqs(#onward)
  for i, row in ipairs(onward) do
    local _, places = gates.placesOf(row)
    gates.setPlaces(row, format('%011x', age + i - 1), places)
    row.walks = true
    gates.walkers[#gates.walkers + 1] = row
  end
end

-- The rows of those that stood before a gate, each by its age and its id. One that is gone gives back its place.
local function standing(through)
  local ids, found = {}, {}
  for i, entry in ipairs(through.others) do ids[i] = sub(entry, 12) end
  fetch(ids)
  for i, id in ipairs(ids) do
    if rows[id] then found[#found + 1] = rows[id] else gates.giveBack(through.before[i]) end
  end
  return found
end

-- Places of those in the order they were added; nothing when they stand in it, which is nearly always.
local function orderOf(members)
  for i = 2, #members do
    if members[i] < members[i - 1] then
      local order = {}
      for j = 1, #members do order[j] = j end
      table.sort(order, function(a, b) return members[a] < members[b] end)
      return order
    end
  end
end

local function writeLines(lines)
  for _, common in ipairs(lines) do
    -- They are younger than whoever stands there.
    many('RPUSH', PASSED .. openLine(common.kind, common.rank), common.entries)
    tally('b', common.kind, -common.count)
    tally('r', common.kind, common.count)
    common.entries, common.count = {}, 0
    isReady = true
  end
end

-- Makes those ready that have passed all their gates, in the order they were added.
local function arrive(through, now)
  if through.count == 0 then return end
  local order, age, records, n, lines = orderOf(through.passed), nextSeqs(through.count), {}, 0, {}
  local common
  for i = 1, through.count do
    local at = order and order[i] or i
    local itsAge, row = format('%011x', age + i - 1), through.rows[at]
    if row then
      local _, places = gates.placesOf(row)
      gates.setPlaces(row, itsAge, places)
      move(row, 'r')
      makeReady(row, now)
    else
      local member = through.passed[at]
      local from = search(member, S, 12, true)
      if not common or #member ~= from + #common.suffix - 1 or search(member, common.suffix, from, true) ~= from then
        local suffix = sub(member, from)
        common = passed[suffix] or lineOf(suffix, now)
      end
      records[n + 1], records[n + 2] = sub(member, 12, from - 1), common.record
      past.note(records[n + 1], common.kind, 'b', 'r', '0', '')
      n = n + 2
      if common.count == 0 then lines[#lines + 1] = common end
      common.count = common.count + 1
      common.entries[common.count] = itsAge .. common.mark .. through.gates[at] .. common.before .. member
    end
  end
  many('HSET', STATE, records)
  writeLines(lines)
end

-- Those that walk up and have not turned away: with their row, or of those that have no record with what is to stand in the line.
local function takeWalkers()
  local joining = {}
  for _, walker in ipairs(gates.walkers) do
    if walker.suffix then joining[#joining + 1] = walker
    elseif walker.walks then
      walker.walks = false
      joining[#joining + 1] = { seq = walker[SEQ], age = gates.ageOf(walker), id = walker.id, rank = tonumber(walker[RANK]), rankText = walker[RANK], suffix = '',
        gate = gates.nextOf(walker), row = walker }
    end
  end
  gates.walkers = {}
  for _, walker in ipairs(joining) do gates.note(walker.gate.name) end
  return joining
end

local function bySeqOf(a, b) return a.seq < b.seq end

local function goRound(now)
  -- Submits of one script have a time each.
  if now ~= passedAt then passed, passedAt = {}, now end
  local joining, nowMs = takeWalkers(), tonumber(now)
  gates.takeBack(nowMs)
  if #joining > 1 then table.sort(joining, bySeqOf) end
  for _, walker in ipairs(joining) do join(walker, gates.known[walker.gate.name], nowMs) end
  local opening, joiners = gates.names, {}
  local through = { count = 0, passed = {}, gates = {}, rows = {}, others = {}, before = {} }
  gates.names, gates.moved = {}, {}
  for _, name in ipairs(opening) do
    local gate = gates.known[name]
    if gate then open(name, gate, nowMs, through, joiners) end
  end
  local onward = {}
  for _, row in ipairs(standing(through)) do passRow(through, onward, row) end
  for _, walker in ipairs(joiners) do
    if walker.row then passRow(through, onward, walker.row)
    else add(through, walker.seq .. walker.id .. walker.suffix, walker.gate.name) end
  end
  walkOn(onward)
  arrive(through, now)
end

function openGates(now)
  while #gates.walkers > 0 or #gates.names > 0 or #gates.left > 0 do goRound(now) end
end
end
`;
