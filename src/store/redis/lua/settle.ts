// Lua: recording how attempts ended, and claiming in the same step. Nearly every outcome is a job that is done, without a key, a wish or a
// suspicion, and no other was added later that needs it: those are rewritten as texts, in bulk, and what they have in common, nearly always
// everything but the result, is made once. The rest goes through rows.

/** Settles and claims. */
export const settle: string = String.raw`
-- Arguments: origin and the number of this settle, worker, now, number of outcomes, number of runs of them that have kind and
-- fence in common; for each run kind and fence, and how many; for each outcome id, text (of a retry with the due time before it, of one that
-- waits also how many signals it has seen); wants.
despiteFullMemory()
local origin, settleNo = match(ARGV[1], '^(.*) (%d+)$')
local worker, now, count, runs = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local first = 6 + runs * 2
local refused, ended, unsuccessful, endOfDone = {}, {}, {}, S .. 'd'
local records, recordCount, isDone = {}, 0, {}

-- How jobs of this record that run and are done go on: they may have it in common. False when more is to be done than to append to it.
local function endOf(record, prefix)
  if not record or byte(record, -1) ~= 117 or search(record, prefix, 1, true) ~= 1 then return false end
  local claim, kind, keep, attempt = match(record, '^([^\31]*)\31%x*\31([^\31]*)\31([^\31]*)\31[^\31]*\31[^\31]*\31([^\31]*)', #prefix + 1)
  local kept, above = match(keep, '^([^\28]*)\28?(.*)')
  local time = number(tonumber(now) + tonumber(kept))
  return { text = record .. S .. now .. S .. time .. S, claim = claim, kind = kind, attempt = attempt, later = laterFor(kept, time), count = 0, above = above }
end

-- The same of one that has gates; gives back its places, and leaves out what it had of them.
local gatedPattern = '^([ghG])%x*[\28\29]?([^\30\31]*)()'
local function gatedEndOf(record, base, ends)
  if not record or byte(record, -1) ~= 117 or search(record, base, 1, true) ~= 1 then return false end
  local flag, places, at = match(record, gatedPattern, #base + 1)
  if not flag or byte(record, at) ~= 31 then return false end
  if flag == 'G' then gates.giveAll('\29' .. places) elseif places ~= '' then gates.giveBack(places) end
  local last = ends.last
  if last and #record == at + #last.rest - 1 and search(record, last.rest, at, true) == at then return last end
  local rest = sub(record, at)
  local common = ends[rest]
  if not common then
    common = endOf(base .. rest, base .. S)
    common.text = base .. flag .. sub(common.text, #base + 1)
    common.rest = rest
    ends[rest] = common
  end
  ends.last = common
  return common
end

local function settleOne(index, id, kind, fence, text)
  local row = find(id)
  if not row or not isHeld(row) or row[WORKEROF] ~= worker or row[FENCE] ~= fence then
    refused[#refused + 1] = index
    return
  end
  local due, seen = '', nil
  if kind == 't' then due, text = match(text, '^([^\31]*)\31(.*)$')
  elseif kind == 'w' then due, seen, text = match(text, '^([^\31]*)\31([^\31]*)\31(.*)$') end
  local after = stop(row, kind, text, due, now, tonumber(seen))
  if final[after] then
    if after == 'd' then releaseAbove(row, now) else unsuccessful[#unsuccessful + 1] = row end
    if after ~= kind then ended[#ended + 1] = row end
  end
end

-- Outcomes of one kind with one fence.
local function settleRun(from, upto, how, states, needed, above)
  local kind, fence = sub(how, 1, 1), sub(how, 2)
  local base, ends = worker .. S .. fence .. S, {}
  local prefix = base .. S
  for i = from, upto do
    local at = first + i * 2
    local id, state, text = ARGV[at - 2], states[i], ARGV[at - 1]
    local goesOn = false
    if kind == 'd' and state and not needed[id] and not rows[id] and not isDone[id] then
      goesOn = ends[state]
      if goesOn == nil then
        goesOn = endOf(state, prefix)
        if goesOn then ends[state] = goesOn
        else goesOn = gatedEndOf(state, base, ends) end
      end
    end
    if isDone[id] then refused[#refused + 1] = i - 1
    elseif goesOn then
      isDone[id] = true
      recordCount = recordCount + 1
      records[recordCount * 2 - 1], records[recordCount * 2] = id, goesOn.text .. text .. endOfDone
      goesOn.later[#goesOn.later + 1] = id
      goesOn.count = goesOn.count + 1
      past.note(id, goesOn.kind, 'u', 'd', goesOn.attempt, worker)
      if above[i] then releaseSoon(above[i], text) end
    else settleOne(i - 1, id, kind, fence, text) end
  end
  ends.last = nil
  for _, goesOn in pairs(ends) do
    if goesOn then
      leaveClaim(worker, goesOn.claim, goesOn.count)
      if goesOn.above ~= '' then releaseOften(refBySeq(goesOn.above), goesOn.count) end
      tally('u', goesOn.kind, -goesOn.count)
      tally('d', goesOn.kind, goesOn.count)
    end
  end
end

local function settleAll()
  local ids = {}
  for i = 1, count do ids[i] = ARGV[first + i * 2 - 2] end
  local states = hmget(STATE, ids)
  local needed = among(GRAPH, ids)
  local above = call('EXISTS', ABOVE) == 1 and hmget(ABOVE, ids) or {}
  local from = 1
  for r = 1, runs do
    local upto = from + tonumber(ARGV[5 + r * 2]) - 1
    settleRun(from, upto, ARGV[4 + r * 2], states, needed, above)
    from = upto + 1
  end
  isEnded = isEnded or recordCount > 0
  many('HSET', STATE, records)
  releaseAll(now)
  for _, row in ipairs(failAbove(unsuccessful, now)) do ended[#ended + 1] = row end
end

if count > 0 then settleAll() end
local reported = report(ended)
flush(now)
if not isVoid(worker, origin, settleNo) then claimAll(worker, now, first + count * 2) end
writeReleased(now)
if #gates.names > 0 then flush(now) end
return { refused, reported, claimed, usedNames(), tell(origin) }
`;
