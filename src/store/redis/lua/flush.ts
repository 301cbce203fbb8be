// Lua: writing at the end of a script what it changed.

/** Writes rows, gates, claims and counts. */
export const writing: string = String.raw`
local leaving = {}
-- What a worker runs is noted claim by claim: the ids as one text, and how many of them still run, so that an end only counts.
local function leaveClaim(worker, claim, count)
  local claims = leaving[worker] or {}
  leaving[worker] = claims
  claims[claim] = (claims[claim] or 0) + count
end

local function writeLeaving()
  for worker, claims in pairs(leaving) do
    for claim, count in pairs(claims) do
      if call('HINCRBY', LEFT .. worker, claim, number(-count)) <= 0 then
        call('HDEL', LEFT .. worker, claim)
        call('HDEL', RUN .. worker, claim)
      end
    end
  end
  leaving = {}
end

-- Lets pass their gates who can, and writes what was changed. After that nothing is known any more. A job that had no record is marked as
-- one a claim must look at.
local function flush(now)
  if now then openGates(now) end
  local args, n, marked = {}, 0, {}
  for i = 1, writtenCount do
    local row = written[i]
    if not row.removed then
      args[n + 1], args[n + 2] = row.id, textOf(row)
      n = n + 2
      if row.fresh then marked[#marked + 1], marked[#marked + 2] = row.id, '+' .. sub(row.fresh, 2) end
      if n >= most - 1 then
        many('HSET', STATE, args)
        args, n = {}, 0
      end
    end
  end
  many('HSET', STATE, args)
  many('HSET', JOB, marked)
  many('ZADD', LOST, unsuccessfulEnds)
  rows, statics, written, writtenCount, unsuccessfulEnds = {}, {}, {}, 0, {}
  gates.write()
  writeLeaving()
  writePrunes()
  writeTally()
  past.write()
end

`;
