// Lua: recording how attempts ended, and claiming in the same step. Nearly every outcome is a job that is done, needed by no other and
// without a key, a wish or a suspicion: those are rewritten as texts, in bulk. The rest goes through rows.

/** Settles and claims. */
export const settle: string = String.raw`
-- Arguments: origin and the number of this settle, worker, now, number of outcomes; for each id, kind and fence, text (of a retry with the due time before it); wants.
despiteFullMemory()
local origin, settleNo = match(ARGV[1], '^(.*) (%d+)$')
local worker, now, count = ARGV[2], ARGV[3], tonumber(ARGV[4])
local refused, ended, endOfDone = {}, {}, S .. 'd'

local function settleAll()
  local ids = {}
  for i = 1, count do ids[i] = ARGV[2 + i * 3] end
  local states, needed = hmget(STATE, ids), {}
  if call('EXISTS', GRAPH) == 1 then
    for i = 1, count, most do
      local some = call('SMISMEMBER', GRAPH, unpack(ids, i, min(count, i + most - 1)))
      for j = 1, #some do needed[i + j - 1] = some[j] == 1 end
    end
  end
  -- What a plain running job's record begins with, by kind of outcome and fence; what its end appends, by how long it is kept.
  local prefixes, tails, plain, doneBy = {}, {}, {}, {}
  local records, refs, n = {}, {}, 0
  local unsuccessful = {}
  local nowMs = tonumber(now)
  for i = 1, count do
    local id, state, how, text = ids[i], states[i], ARGV[3 + i * 3], ARGV[4 + i * 3]
    local prefix = prefixes[how]
    if not prefix then
      prefix = worker .. S .. sub(how, 2) .. S .. S
      prefixes[how] = prefix
    end
    if plain[id] then refused[#refused + 1] = i - 1
    elseif state and byte(how) == 100 and byte(state, -1) == 117 and not needed[i] and not rows[id] and search(state, prefix, 1, true) == 1 then
      local seq, kindKeep = match(state, '^(%x+)\31([^\31]*\31[^\31]*)\31', #prefix + 1)
      local tail = tails[kindKeep]
      if not tail then
        local kind, keep = match(kindKeep, '^([^\31]*)\31(.*)$')
        local time = number(nowMs + tonumber(keep))
        tail = { text = S .. now .. S .. time .. S, kind = kind, keep = keep, time = time, count = 0 }
        tails[kindKeep] = tail
      end
      plain[id] = true
      tail.count = tail.count + 1
      n = n + 1
      local ref = seq .. id
      records[n * 2 - 1], records[n * 2] = id, state .. tail.text .. text .. endOfDone
      refs[n] = ref
      pruneLater(tail.keep, tail.time, ref)
    else
      local row, kind = find(id), sub(how, 1, 1)
      if not row or row[STATUS] ~= 'u' or row[WORKEROF] ~= worker or row[FENCE] ~= sub(how, 2) then refused[#refused + 1] = i - 1
      else
        local due = ''
        if kind == 't' then due, text = match(text, '^([^\31]*)\31(.*)$') end
        local after = stop(row, kind, text, due, now)
        if final[after] then
          if after == 'd' then releaseAbove(row, now) else unsuccessful[#unsuccessful + 1] = row end
          if after ~= kind then ended[#ended + 1] = row end
        end
      end
    end
  end
  for _, tail in pairs(tails) do
    tally('u', tail.kind, -tail.count)
    tally('d', tail.kind, tail.count)
    isEnded = true
  end
  many('HSET', STATE, records)
  many('SREM', RUN .. worker, refs)
  for _, row in ipairs(failAbove(unsuccessful, now)) do ended[#ended + 1] = row end
end

if count > 0 then settleAll() end
local reported = report(ended)
flush()
if not isVoid(worker, origin, settleNo) then claimAll(worker, now, 5 + count * 3) end
return { refused, reported, claimed, usedNames(), tell(origin) }
`;
