// Lua: claiming jobs that waited for one other and to which nothing has happened but their release, by this script or one before; see `release.ts`.
// What their first run is noted as is common to many. It is a part of `claim.ts`.

/** Starting them. */
export const claimReleased: string = String.raw`
-- Starts a job that this script has released.
local function considerReleased(source, at)
  local text = source.texts[at]
  plainRecordOf(text)
  give(source.ids[at], text, '=' .. source.inputs[at], plain.released)
  return true
end

-- What the start is noted as of a job that was released before, and to which nothing else happened: it has its record in common with others.
local startedBy = {}
local function startedOf(record)
  if startedBy[record] == nil then
    local kind, readyAt = match(record, '^\0310\31\31\31\31(%d+\31[^\31]*\31)\31([^\31]*)\0310\0310\31\0310\31+r$')
    startedBy[record] = kind and plain.head .. kind .. S .. readyAt .. sub(plain.tail, 2) or false
  end
  return startedBy[record]
end
`;
