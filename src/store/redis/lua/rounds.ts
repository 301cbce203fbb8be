// Lua: the rounds of gates: those that walked up join their lines, then every gate that moved lets pass whom it can, until nothing moves. Nearly all
// that pass stand before their only gate and have no other place: of those only the record is read, and written anew as a text; what
// they have in common, nearly always all but name, age and number, is taken apart once. The rest goes through rows.
import { dueSoonMs, gateMs } from "../../machine.ts";

/** The rounds. */
export const rounds: string = String.raw`
do
-- Fence and gate of a job that stands before its only gate, its seq, and where the rest begins.
local standingPattern = '^\31(%d+)\31([gh])\31\31(%x+)\31()'
local passed, nobody = {}, {}

local function isBefore(a, b)
  local x, y = tonumber(a[RANK]), tonumber(b[RANK])
  if x ~= y then return x < y end
  return a[SEQ] < b[SEQ]
end

local function join(row, now)
  row.walks = false
  local spec = gates.nextOf(row)
  local gate = gates.known[spec.name]
  if not gate then
    gate = { held = 0, waiting = 0 }
    gates.known[spec.name] = gate
  end
  -- What becomes a bucket is a full one.
  if not gate.tokens then gate.tokens, gate.at = spec.room, now end
  gate.room, gate.every = spec.room, spec.every
  gate.waiting = gate.waiting + 1
  gate.joined = gate.joined or {}
  gate.joined[#gate.joined + 1] = row
end

local function stand(name, joined, from)
  local args = {}
  for i = from, #joined do
    args[#args + 1] = joined[i][RANK]
    args[#args + 1] = refOf(joined[i])
  end
  many('ZADD', BEFORE .. name, args)
end

local function refill(gate, now)
  gate.tokens = min(gate.room - gate.held, gate.tokens + max(0, now - gate.at) / gate.every)
  gate.at = now
end

-- How many may pass.
local function roomOf(gate, now)
  local count = min(gate.waiting, gate.room - gate.held)
  if gate.every then
    refill(gate, now)
    count = min(count, math.floor(gate.tokens))
  end
  return max(count, 0)
end

-- Lets pass whom a gate can: refs of those that stood in its line, rows of those that walked up just now.
local function open(name, gate, now, refs, names, joiners)
  local count, joined = roomOf(gate, now), gate.joined or nobody
  gate.joined = nil
  if gate.waiting == #joined then
    if #joined > 1 then table.sort(joined, isBefore) end
    for i = 1, count do joiners[#joiners + 1] = joined[i] end
    if count < #joined then stand(name, joined, count + 1) end
  else
    if #joined > 0 then stand(name, joined, 1) end
    if count > 0 then
      local popped = call('ZPOPMIN', BEFORE .. name, gates.textOf(count))
      for i = 1, #popped, 2 do
        refs[#refs + 1] = popped[i]
        names[#refs] = name
      end
    end
  end
  gate.held, gate.waiting, gate.changed = gate.held + count, gate.waiting - count, true
  gate.nextAt = nil
  if not gate.every then return end
  gate.tokens = gate.tokens - count
  if gate.waiting > 0 and gate.held < gate.room then
    gate.nextAt = now + max(${gateMs}, ceil((1 - gate.tokens) * gate.every))
    isScheduled = isScheduled or gate.nextAt <= now + ${dueSoonMs}
  end
end

-- The rest of a record of a job that stands, taken apart.
local function restOf(text)
  local kind, keep, rank, after = match(text, '^([^\31]*)\31([^\31]*)\31([^\31]*)\31[^\31]*\31(.*)b$')
  local rest = { kind = kind, rank = rank, head = concat({ '', kind, keep, rank, '' }, S), tail = S .. after .. 'r', count = 0, refs = {} }
  passed[text] = rest
  return rest
end

-- A job that has passed its last gate: its row, or its ref, head of record and rest of it.
local function passAt(through, ref, name, state)
  local id = sub(ref, 12)
  local fence, kind, seq, at = match(state or '', standingPattern)
  if rows[id] or not fence then
    local row = find(id)
    if row and refOf(row) == ref then return row end
    return nil
  end
  local text, n = sub(state, at), through.count + 1
  through.count = n
  through.seqs[n], through.ids[n], through.rests[n] = seq, id, passed[text] or restOf(text)
  through.heads[n] = fence == '0' and (kind == 'g' and '\0310\031g' or '\0310\031h') or S .. fence .. S .. kind
  through.places[n] = (kind == 'h' and '\28' or '\29') .. name .. '\31\31' .. seq
end

local function passRow(through, row)
  local names, places = gates.placesOf(row)
  local all = gates.of(row)
  local gate = all[#names + 1]
  gates.setPlaces(row, nil, places .. gate.mark .. gate.name)
  touch(row)
  if #names + 1 < #all then
    row.walks = true
    gates.walkers[#gates.walkers + 1] = row
  else
    local n = through.count + 1
    through.count, through.seqs[n], through.rows[n] = n, row[SEQ], row
  end
end

-- Places of those in the order they were added; nothing when they stand in it, which is nearly always.
local function orderOf(seqs)
  for i = 2, #seqs do
    if seqs[i] < seqs[i - 1] then
      local order = {}
      for j = 1, #seqs do order[j] = j end
      table.sort(order, function(a, b) return seqs[a] < seqs[b] end)
      return order
    end
  end
end

-- Makes those ready that have passed all their gates, in the order they were added.
local function arrive(through, now)
  if through.count == 0 then return end
  local order, age, records, n, rests = orderOf(through.seqs), nextSeqs(through.count), {}, 0, {}
  for i = 1, through.count do
    local at = order and order[i] or i
    local itsAge, row, rest = format('%011x', age + i - 1), through.rows[at], through.rests[at]
    if row then
      local _, places = gates.placesOf(row)
      gates.setPlaces(row, itsAge, places)
      move(row, 'r')
      makeReady(row, now)
    else
      local id = through.ids[at]
      records[n + 1], records[n + 2] = id, through.heads[at] .. itsAge .. through.places[at] .. rest.head .. now .. rest.tail
      n = n + 2
      if rest.count == 0 then rests[#rests + 1] = rest end
      rest.count = rest.count + 1
      rest.refs[rest.count] = itsAge .. id
    end
  end
  many('HSET', STATE, records)
  for _, rest in ipairs(rests) do
    local line = openLine(rest.kind, rest.rank)
    -- They are younger than whoever stands there.
    many('RPUSH', LIST .. line, rest.refs)
    tails[line] = nil
    tally('b', rest.kind, -rest.count)
    tally('r', rest.kind, rest.count)
    rest.count, rest.refs = 0, {}
    isReady = true
  end
end

local function goRound(now)
  local joining = {}
  for _, row in ipairs(gates.walkers) do
    if row.walks then
      joining[#joining + 1] = row
      gates.note(gates.nextOf(row).name)
    end
  end
  gates.walkers = {}
  gates.takeBack()
  for _, row in ipairs(joining) do join(row, tonumber(now)) end
  local opening, refs, names, joiners = gates.names, {}, {}, {}
  local through = { count = 0, seqs = {}, ids = {}, heads = {}, places = {}, rests = {}, rows = {} }
  gates.names, gates.moved = {}, {}
  for _, name in ipairs(opening) do
    local gate = gates.known[name]
    if gate then open(name, gate, tonumber(now), refs, names, joiners) end
  end
  local ids = {}
  for i = 1, #refs do ids[i] = sub(refs[i], 12) end
  local states = hmget(STATE, ids)
  for i = 1, #refs do
    local row = passAt(through, refs[i], names[i], states[i])
    if row then passRow(through, row) end
  end
  for _, row in ipairs(joiners) do passRow(through, row) end
  arrive(through, now)
end

function openGates(now)
  while #gates.walkers > 0 or #gates.names > 0 or next(gates.left) do goRound(now) end
end
end
`;
