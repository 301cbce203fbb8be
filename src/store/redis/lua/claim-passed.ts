// Lua: claiming jobs that passed their only gate and to which nothing has happened since; see `rounds.ts`. As of plain jobs no record is read, and what
// they have in common is made once. It is a part of `claim.ts`.

/** Starting them. */
export const claimPassed: string = String.raw`
-- Starts a job that passed its only gate, unless something has happened to it since. Its entry is its age, its place, when it
-- became ready, and what stood in the line: seq, id, and more.
local lastReady, gatedMiddle, gatedTail
local gatedHead, startedHead = worker .. S .. '1' .. S .. 'g', worker .. S .. '1' .. S .. 'h'
local function considerPassed(source, at)
  local id, text, entry, from = source.ids[at], source.texts[at], source.refs[at], source.from[at]
  if not text or byte(text) ~= 42 or startedIds[id] or search(text, sub(entry, from, from + 10), 2, true) ~= 2 then return nil end
  local placeEnd = search(entry, S, 12, true)
  if not lastReady or search(entry, lastReady, placeEnd, true) ~= placeEnd then lastReady = sub(entry, placeEnd, from - 1) end
  local head = gatedHead
  if byte(entry, 12) == 28 then
    gates.giveBack(sub(entry, 13, placeEnd - 1))
    head, placeEnd = startedHead, 12
  end
  gatedMiddle = gatedMiddle or S .. claimNo .. rep(S, 2)
  gatedTail = gatedTail or sub(plain.tail, 3)
  plainRecordOf(text)
  give(id, text, '', head .. sub(entry, 1, placeEnd - 1) .. gatedMiddle .. plain.kind .. lastReady .. gatedTail)
  return true
end

-- The id in such an entry, and where seq and id begin.
local function idIn(entry)
  local from = search(entry, S, search(entry, S, 12, true) + 1, true) + 1
  return sub(entry, from + 11, search(entry, S, from, true) - 1), from
end

-- Reads what was taken off such a list.
local function readPassed(source)
  local refs, ids = source.refs, {}
  source.from = {}
  for i = 1, #refs do ids[i], source.from[i] = idIn(refs[i]) end
  source.ids, source.texts = ids, hmget(JOB, ids)
end
`;
