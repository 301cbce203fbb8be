// Lua: gates, as `gate.ts` says it: what is kept of them, and how jobs walk up to them and leave them. The rounds are in `rounds.ts`.
//
// A gate is one text in a hash: its room and the places taken; of a bucket also the time for a token, tokens, as of when, and when to look at it.
// Who stands before it is in a sorted set of its own, by rank and then by age, unless it passes at once. A gate for places alone is forgotten
// when nobody needs it; a bucket when it is full again.
//
// What a job has of gates stands in its field CARE, so that neither a pass nor an end needs to read what was submitted: "g" for one gate until its
// end, "h" for one until its start, "G" for several; its age once it has passed one; and the names of the gates of which it has a place, in the
// order it passed them, each behind the character 28 when it has the place until its start, else 29.

/** What is kept of gates and of the places of jobs. */
export const gates: string = String.raw`
-- Whether its end wants care, which gates it has, its age, the places it has, and what it waits for.
local carePattern = '^(c?)([ghG]?)(%x*)([^\30]*)(.*)$'
-- The gates read; of those that moved the names, in order; places given back since they were read, and lines left.
local gates = { known = {}, moved = {}, names = {}, given = {}, left = {}, walkers = {} }

function gates.ageOf(row)
  local _, _, age = match(row[CARE], carePattern)
  return age ~= '' and age or row[SEQ]
end

-- Names of the gates of which it has a place, and the part of the text they stand in.
function gates.placesOf(row)
  local _, _, _, places = match(row[CARE], carePattern)
  local names = {}
  for name in gmatch(places, '[\28\29]([^\28\29]*)') do names[#names + 1] = name end
  return names, places
end

function gates.setPlaces(row, age, places)
  local care, kind, before, _, waits = match(row[CARE], carePattern)
  row[CARE] = care .. kind .. (age or before) .. places .. waits
end

-- All gates of a job.
function gates.of(row)
  local s = static(row)
  if not s.gates then
    s.gates = {}
    for name, room, every, till in gmatch(s.till, '\29([^\30]*)\30([^\30]*)\30([^\30]*)\30(.)') do
      s.gates[#s.gates + 1] = { name = name, room = tonumber(room), every = tonumber(every), mark = till == 's' and '\28' or '\29' }
    end
  end
  return s.gates
end

-- The gate a job stands before or walks up to.
function gates.nextOf(row) return gates.of(row)[#gates.placesOf(row) + 1] end

-- What stands behind the reference of a job before its only gate that has no record: all that is needed to let it pass.
function gates.suffixOf(row)
  return concat({ '', gates.of(row)[1].mark, row[KINDNO], row[KEEP], row[RANK] }, S)
end

function gates.note(name)
  if not gates.moved[name] then
    gates.moved[name] = true
    gates.names[#gates.names + 1] = name
  end
end

function gates.giveBack(name)
  gates.given[name] = (gates.given[name] or 0) + 1
  gates.note(name)
end

function gates.walkUp(row)
  move(row, 'b')
  gates.setPlaces(row, '', '')
  row.walks = true
  gates.walkers[#gates.walkers + 1] = row
end

-- Gives back all that a job has, and takes it out of the line it stands in.
function gates.leave(row)
  if not isGated(row) then return end
  local names = gates.placesOf(row)
  for _, name in ipairs(names) do gates.giveBack(name) end
  if row.walks then row.walks = false
  elseif row[STATUS] == 'b' and row[PENDING] == '0' then
    local name = gates.of(row)[#names + 1].name
    call('ZREM', BEFORE .. name, gates.ageOf(row) .. row.id, refOf(row) .. gates.suffixOf(row))
    gates.left[#gates.left + 1] = name
  end
  gates.setPlaces(row, '', '')
end

-- Gives back all of these places.
function gates.giveAll(places)
  if places == '' then return end
  if not search(places, '[\28\29]', 2) then return gates.giveBack(sub(places, 2)) end
  for name in gmatch(places, '[\28\29]([^\28\29]*)') do gates.giveBack(name) end
end

-- Gives back of these places those that are for until the start; returns the others.
function gates.start(places)
  if not search(places, '\28', 1, true) then return places end
  local kept = ''
  for mark, name in gmatch(places, '([\28\29])([^\28\29]*)') do
    if mark == '\28' then gates.giveBack(name) else kept = kept .. mark .. name end
  end
  return kept
end

local textOfNumber = {}
function gates.textOf(x)
  local text = textOfNumber[x]
  if not text then
    text = number(x)
    textOfNumber[x] = text
  end
  return text
end

local bucketPattern = '^(%S+) (%S+) (%S+) (%S+) (%S+) ?(%S*)$'
-- Gates for places alone are much the same, so each text is taken apart once.
local parsed = {}

local function parseGate(text)
  local p = parsed[text]
  if not p then
    local room, held = match(text, '^(%S+) (%S+)$')
    if not room then
      local every, tokens, at, nextAt
      room, held, every, tokens, at, nextAt = match(text, bucketPattern)
      return { room = tonumber(room), held = tonumber(held), was = tonumber(held), every = tonumber(every), tokens = tonumber(tokens),
        at = tonumber(at), nextAt = tonumber(nextAt), wasAt = tonumber(nextAt) }
    end
    p = { tonumber(room), tonumber(held) }
    parsed[text] = p
  end
  return { room = p[1], held = p[2], was = p[2], wasRoom = p[1] }
end

-- Reads these gates, where they are not known yet. Of those that are not there false is known.
function gates.read(names)
  local asked, known = {}, gates.known
  for i = 1, #names do
    if known[names[i]] == nil then
      known[names[i]] = false
      asked[#asked + 1] = names[i]
    end
  end
  local texts = hmget(GATES, asked)
  for i = 1, #asked do
    if texts[i] then known[asked[i]] = parseGate(texts[i]) end
  end
end

-- Adds the tokens regained.
function gates.refill(gate, nowMs)
  gate.tokens = min(gate.room - gate.held, gate.tokens + max(0, nowMs - gate.at) / gate.every)
  gate.at = nowMs
end

-- Reads the gates that moved or whose lines were left, and notes what was given back.
function gates.takeBack(nowMs)
  gates.read(gates.left)
  gates.left = {}
  gates.read(gates.names)
  for name, count in pairs(gates.given) do
    local gate = gates.known[name]
    if gate then
      if gate.every then gates.refill(gate, nowMs) end
      gate.held = gate.held - count
    end
  end
  gates.given = {}
end

function gates.isIdle(name, gate) return gate.held == 0 and call('EXISTS', BEFORE .. name) == 0 end

-- When a bucket is full.
function gates.fullAt(gate) return gate.at + ceil((gate.room - gate.tokens) * gate.every) end

-- Writes the gates that changed, and when they are to be looked at.
function gates.write()
  local texts, n, gone, textFor = {}, 0, {}, gates.textOf
  for name, gate in pairs(gates.known) do
    if gate and (gate.every or gate.held ~= gate.was or gate.room ~= gate.wasRoom) then
      local isIdle = gates.isIdle(name, gate)
      if isIdle and not gate.every then gone[#gone + 1] = name
      else
        local text = textFor(gate.room) .. ' ' .. textFor(gate.held)
        if gate.every then
          text = text .. ' ' .. textFor(gate.every) .. ' ' .. textFor(gate.tokens) .. ' ' .. textFor(gate.at) .. ' '
            .. (gate.nextAt and number(gate.nextAt) or '')
          if isIdle then call('ZADD', FULL, number(gates.fullAt(gate)), name) end
        end
        texts[n + 1], texts[n + 2] = name, text
        n = n + 2
      end
      if gate.nextAt and gate.nextAt ~= gate.wasAt then call('ZADD', LOOK, number(gate.nextAt), name)
      elseif gate.wasAt and not gate.nextAt then call('ZREM', LOOK, name) end
    end
  end
  many('HSET', GATES, texts)
  many('HDEL', GATES, gone)
  gates.known = {}
end
`;

/** What is due. */
export const dueGates: string = String.raw`
-- Notes the gates whose time has come, and forgets buckets that are full and that nobody needs.
local function lookAtDue(nowMs, due)
  for _, name in ipairs(due) do gates.note(name) end
  gates.takeBack(nowMs)
  local full = call('ZRANGEBYSCORE', FULL, '-inf', number(nowMs))
  gates.read(full)
  many('ZREM', FULL, full)
  for name, gate in pairs(gates.known) do
    if gate and gate.every and gates.fullAt(gate) <= nowMs and gates.isIdle(name, gate) then
      call('HDEL', GATES, name)
      call('ZREM', LOOK, name)
      gates.known[name] = false
    end
  end
end
`;
