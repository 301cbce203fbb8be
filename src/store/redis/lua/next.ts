// Lua: looking at the heads of lines without touching them. A job that left its line stands in it until a claim takes it out.

/** The id of a job that stands first in a line, or nothing. Arguments: the number of queues, queues, tasks. */
export const next: string = String.raw`
local queueCount, linePattern = tonumber(ARGV[1]), '^' .. rep('[^\31]*\31', 5) .. '([^\31]*)\31[^\31]*\31([^\31]*)\31'
for i = 2, queueCount + 1 do
  local names = {}
  for j = queueCount + 2, #ARGV do names[#names + 1] = ARGV[i] .. S .. ARGV[j] end
  local wanted = {}
  for _, kind in ipairs(hmget(KIND, names)) do
    if kind then wanted[kind] = true end
  end
  if next(wanted) and call('SISMEMBER', PAUSED, ARGV[i]) == 0 then
    for _, line in ipairs(call('ZRANGE', READY .. ARGV[i], 0, 999)) do
      local isWanted = wanted[match(line, '^%d+')]
      local head = isWanted and call('LINDEX', LIST .. line, 0)
      local passed = isWanted and call('LINDEX', PASSED .. line, 0)
      local id = head and sub(head, 12)
      local state = id and call('HGET', STATE, id)
      -- A job that was changed stands in another line, too.
      if state and sub(state, -1) == 'r' then
        local kind, rank = match(state, linePattern)
        -- Of a job that was released it is left out.
        if rank == '' then rank = match(call('HGET', JOB, id), '^[^\31]*\31[^\31]*\31[^\31]*\31([^\31]*)') end
        if kind .. ':' .. rank == line then return id end
      elseif id and not state and call('HEXISTS', JOB, id) == 1 then return id end
      local seq
      if passed then seq, id = match(passed, '^[^\31]*\31[^\31]*\31(...........)([^\31]*)') else id = nil end
      state = id and call('HGET', STATE, id)
      if state and sub(state, -1) == 'r' and sub(call('HGET', JOB, id), 1, 12) == '*' .. seq then return id end
    end
  end
end
return false
`;
