// Lua: looking at the heads of lines without touching them. A job that left its line stands in it until a claim takes it out.

/** The id of a job that stands first in a line, or nothing. Arguments: the number of queues, queues, tasks. */
export const next: string = String.raw`
local queueCount, linePattern = tonumber(ARGV[1]), '^' .. rep('[^\31]*\31', 5) .. '([^\31]*)\31[^\31]*\31([^\31]*)\31'

-- Whether the job of a reference is ready and in this line: one that was changed stands in another, too.
local function isReadyIn(line, ref)
  local id = sub(ref, 12)
  local state = call('HGET', STATE, id)
  if not state then return call('HEXISTS', JOB, id) == 1 end
  if sub(state, -1) ~= 'r' then return false end
  local kind, rank = match(state, linePattern)
  -- Of a job that was released it is left out.
  if rank == '' then rank = match(call('HGET', JOB, id), '^[^\31]*\31[^\31]*\31[^\31]*\31([^\31]*)') end
  return kind .. ':' .. rank == line
end

-- The id of a job that stands first in one of the three parts of a line.
local function headOf(line)
  for _, ref in ipairs({ call('LINDEX', LIST .. line, 0) or '', call('ZRANGE', BACK .. line, 0, 0)[1] or '' }) do
    if ref ~= '' and isReadyIn(line, ref) then return sub(ref, 12) end
  end
  local passed = call('LINDEX', PASSED .. line, 0)
  if not passed then return nil end
  local seq, id = match(passed, '^[^\31]*\31[^\31]*\31(...........)([^\31]*)')
  local state = call('HGET', STATE, id)
  if state and sub(state, -1) == 'r' and sub(call('HGET', JOB, id), 1, 12) == '*' .. seq then return id end
end

for i = 2, queueCount + 1 do
  local names = {}
  for j = queueCount + 2, #ARGV do names[#names + 1] = ARGV[i] .. S .. ARGV[j] end
  local wanted = {}
  for _, kind in ipairs(hmget(KIND, names)) do
    if kind then wanted[kind] = true end
  end
  if next(wanted) and call('SISMEMBER', PAUSED, ARGV[i]) == 0 then
    for _, line in ipairs(call('ZRANGE', READY .. ARGV[i], 0, 999)) do
      local id = wanted[match(line, '^%d+')] and headOf(line)
      if id then return id end
    end
  end
end
return false
`;
