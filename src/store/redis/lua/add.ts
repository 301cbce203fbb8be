// Lua: adding jobs of any kind; says once more what `arrival.ts` says. Plain ones have a shorter way, in `add-plain.ts`.

/** Adds any jobs. */
export const add: string = String.raw`
-- Then for each call: now, number of jobs; for each job id, kind, text, dependencies joined by the separator, each with '~' before it when it
-- need not end as done, else '='.
local at, callNo, refusals, others = firstJob, 0, {}, {}

local function readCall()
  local now, count = ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
  local jobs, ids = {}, {}
  for i = 1, count do
    local id, name, text, deps = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    at = at + 4
    local draft = { id = id, name = name, text = text, deps = {}, isTolerant = {}, needed = 0, still = 0 }
    if deps ~= '' then
      for mark, dep in gmatch(deps .. S, '(.)([^\31]*)\31') do
        draft.deps[#draft.deps + 1] = dep
        draft.isTolerant[#draft.deps] = mark == '~'
        ids[#ids + 1] = dep
      end
    end
    draft.s = parseStatic('-0' .. S .. '0' .. S .. text)
    jobs[i] = draft
    ids[#ids + 1] = id
  end
  fetch(ids)
  return now, jobs
end

local function holderOf(key) return call('HGET', UNIQUE, key) or nil end

-- The state of a dependency: of the batch, or stored.
local function known(drafts, id)
  local draft = drafts[id]
  if draft then return draft.state, draft.cause end
  -- A job that stands in for one of the batch may not have been read yet.
  local row = find(id)
  if row then return row[STATUS], row[CAUSE] ~= '' and row[CAUSE] or nil end
end

-- Returns the refusal, if any.
local function arrive(draft, drafts, holders, now)
  local s = draft.s
  if s.key ~= '' then
    local holder = holders[s.key]
    if holder then
      holder.standsIn = true
      draft.existing = holder.id
    else draft.existing = holderOf(s.key) end
  end
  local pending = 0
  for i, dep in ipairs(draft.deps) do
    local below = drafts[dep]
    local id = below and below.existing or dep
    draft.deps[i] = id
    local state, cause = known(drafts, id)
    if not state then return 'dependency ' .. draft.id .. S .. id end
    if state ~= 'd' and not (draft.isTolerant[i] and final[state]) then
      pending = pending + 1
      if final[state] and not draft.cause then draft.cause = cause or id end
    end
    if below then below.needed = below.needed + 1 end
  end
  draft.pending = pending
  draft.state = draft.cause and 'f' or restingState(pending, s.due, now)
  drafts[draft.id] = draft
  if s.key ~= '' and not draft.existing and draft.state ~= 'f' then holders[s.key] = draft end
end

local function plan(jobs, now)
  for _, draft in ipairs(jobs) do
    if rows[draft.id] then return 'id ' .. draft.id end
  end
  local drafts, holders = {}, {}
  for _, draft in ipairs(jobs) do
    if drafts[draft.id] then return 'id ' .. draft.id end
    draft.given = {}
    for i, dep in ipairs(draft.deps) do draft.given[i] = dep end
    local refusal = arrive(draft, drafts, holders, now)
    if refusal then return refusal end
  end
  -- What only jobs that are not added need is not added either. Those come after it, so one pass backwards finds all.
  local standIns = {}
  for i = #jobs, 1, -1 do
    local draft = jobs[i]
    if not draft.existing and draft.needed > 0 and draft.still == 0 and not draft.standsIn then
      draft.existing = standIns[draft.id]
    end
    for _, dep in ipairs(draft.given) do
      local below = drafts[dep]
      if below then
        if not draft.existing then below.still = below.still + 1 else standIns[dep] = draft.existing end
      end
    end
  end
end

-- A job of which no record is written, as its mark says: scheduled, or before its gate.
local function insertMarked(draft, hex, kind, mark)
  local s = draft.s
  s.seq, s.kind = hex, kind
  local row = newRow(draft.id, s)
  row.fresh = mark .. hex .. S .. kind .. S .. draft.text
  row[STATUS], row[READYAT] = stateByMark(mark), ''
  rows[draft.id], statics[draft.id] = row, s
  tally(row[STATUS], kind, 1)
  past.note(row.id, kind, '', row[STATUS], '0', '')
  return row
end

local function insertScheduled(draft, hex, kind, now)
  local row = insertMarked(draft, hex, kind, '~')
  await(row, now)
  if row[EXPIRES] ~= '' then call('ZADD', EXPIRING, row[EXPIRES], refOf(row)) end
  if draft.s.root ~= '' then call('SADD', ROOT .. draft.s.root, refOf(row)) end
  return refOf(row), row.fresh
end

-- A job that has one gate and nothing else that needs care.
local function insertBeforeGate(draft, hex, kind)
  local row = insertMarked(draft, hex, kind, '*')
  gates.walkers[#gates.walkers + 1] = { seq = hex, age = hex, id = draft.id, rank = tonumber(row[RANK]), rankText = row[RANK],
    suffix = gates.suffixOf(row), gate = gates.of(row)[1] }
  return refOf(row), row.fresh
end

local function insert(draft, seq, now)
  local s = draft.s
  local kind = kindOf(draft.name)
  local hex = format('%011x', seq)
  local isSimple = draft.state == 'r' and s.key == '' and s.due == '' and s.expires == '' and s.root == '' and #draft.deps == 0
  local isPlain = isSimple and s.till == ''
  if isSimple and not isPlain and gateKind(s.till) ~= 'G' then return insertBeforeGate(draft, hex, kind) end
  if draft.state == 's' and s.key == '' then return insertScheduled(draft, hex, kind, now) end
  s.seq, s.kind = hex, kind
  local row = newRow(draft.id, s)
  rows[draft.id], statics[draft.id] = row, s
  local ref = refOf(row)
  row.isNew = true
  tally('r', kind, 1)
  row[PENDING] = number(draft.pending)
  if draft.cause then row[CAUSE] = draft.cause end
  if draft.state == 'f' then
    row[HOLDS] = ''
    row[READYAT] = ''
    finish(row, 'f', now)
  else
    hold(row)
    if draft.state ~= 'r' then
      row[READYAT] = ''
      move(row, draft.state)
    end
    if s.expires ~= '' then call('ZADD', EXPIRING, s.expires, ref) end
    if draft.state == 'r' and isGated(row) then
      row[READYAT] = ''
      gates.walkUp(row)
    elseif draft.state == 'r' then
      past.note(row.id, kind, '', 'r', '0', '')
      makeReady(row, now)
    elseif draft.state == 's' then await(row, now) end
  end
  if s.root ~= '' then call('SADD', ROOT .. s.root, ref) end
  return ref, (isPlain and '-' or '+') .. hex .. S .. kind .. S .. draft.text
end

local function write(jobs, now)
  local added = {}
  for _, draft in ipairs(jobs) do
    if draft.existing then others[#others + 1] = callNo .. ' ' .. draft.id .. S .. draft.existing
    else added[#added + 1] = draft end
  end
  if #added == 0 then return end
  local first = nextSeqs(#added)
  local refs, texts, edges = {}, {}, {}
  for i, draft in ipairs(added) do
    local ref, text = insert(draft, first + i - 1, now)
    refs[i] = ref
    texts[i * 2 - 1], texts[i * 2] = draft.id, text
    if #draft.deps > 0 then
      local below = {}
      for j, dep in ipairs(draft.deps) do below[j] = (draft.isTolerant[j] and '~' or '') .. refOf(rows[dep]) end
      edges[#edges + 1], edges[#edges + 2] = draft.id, concat(below, S)
    end
  end
  many('HSET', JOB, texts)
  many('HSET', DEPS, edges)
  enlist(refs, first)
  local above, order = {}, {}
  for i, draft in ipairs(added) do
    for j, dep in ipairs(draft.deps) do
      local list = above[dep]
      if not list then
        list = {}
        above[dep] = list
        order[#order + 1] = dep
      end
      list[#list + 1] = (draft.isTolerant[j] and '~' or '') .. refs[i]
    end
  end
  for _, dep in ipairs(order) do many('RPUSH', UP .. dep, above[dep]) end
  for _, draft in ipairs(added) do
    if draft.s.root ~= '' then order[#order + 1] = draft.id end
  end
  many('SADD', GRAPH, order)
end

while at <= #ARGV do
  local now, jobs = readCall()
  local refusal = plan(jobs, now)
  if refusal then refusals[#refusals + 1] = callNo .. ' ' .. refusal
  else
    write(jobs, now)
    openGates(now)
    if firstJob > 5 then
      setRecord('', ARGV[5], ARGV[7])
      isWritten = true
    end
  end
  callNo = callNo + 1
end
flush()
return answer(refusals, others)
`;
