// Lua: gates for people.

/** Gates for people. */
export const showGates: string = String.raw`
-- Arguments: names. Those that someone needs: name, what is known, ids of some that have a place. Those are not noted anywhere, so that
-- passing costs less: they are looked for among the jobs that run, that are ready, and that stand before gates.
local wanted, budget = {}, 20000
gates.read(ARGV)
for _, name in ipairs(ARGV) do
  local gate = gates.known[name]
  if gate and not gates.isIdle(name, gate) then wanted[name] = {} end
end

local function look(ids)
  local asked = {}
  for _, id in ipairs(ids) do
    if rows[id] == nil and budget > 0 then
      asked[#asked + 1] = id
      budget = budget - 1
    end
  end
  fetch(asked)
  for _, id in ipairs(asked) do
    local row = rows[id]
    if row and not row.isLookedAt and isGated(row) and not final[row[STATUS]] then
      row.isLookedAt = true
      for _, name in ipairs((gates.placesOf(row))) do
        if wanted[name] then wanted[name][#wanted[name] + 1] = row end
      end
    end
  end
end

-- The id in an entry of a line.
local function idOf(key, entry)
  if search(key, PASSED, 1, true) == 1 then return match(entry, '^[^\31]*\31[^\31]*\31...........([^\31]*)') end
  return match(entry, '^[^\31]*', 12)
end

local function lookAt(command, key)
  local refs = call(command, key, 0, max(budget - 1, 0))
  for i = 1, #refs do refs[i] = idOf(key, refs[i]) end
  look(refs)
end

if next(wanted) then
  for _, worker in ipairs(call('ZRANGE', LEASE, 0, -1)) do
    for _, claimed in ipairs(call('HVALS', RUN .. worker)) do
      local ids = {}
      for id in gmatch(claimed, '[^\31]+') do ids[#ids + 1] = id end
      look(ids)
    end
  end
  local queues = {}
  for _, name in ipairs(call('HVALS', KINDS)) do queues[match(name, '^[^\31]*')] = true end
  for queue in pairs(queues) do
    for _, line in ipairs(call('ZRANGE', READY .. queue, 0, 999)) do
      lookAt('LRANGE', LIST .. line)
      lookAt('ZRANGE', BACK .. line)
      lookAt('LRANGE', PASSED .. line)
    end
  end
  for _, name in ipairs(call('HKEYS', GATES)) do
    if budget > 0 then lookAt('ZRANGE', BEFORE .. name) end
  end
end

local out = {}
for name, holders in pairs(wanted) do
  table.sort(holders, function(a, b) return a[SEQ] < b[SEQ] end)
  local ids = {}
  for i = 1, min(10, #holders) do ids[i] = holders[i].id end
  out[#out + 1] = name
  out[#out + 1] = call('ZCARD', BEFORE .. name) .. ' ' .. call('HGET', GATES, name)
  out[#out + 1] = concat(ids, S)
end
return out
`;
