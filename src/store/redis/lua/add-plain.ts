// Lua: adding jobs of which nothing is to be known but their ids: no unique key, gates or times, and they depend on each other at most.
//
// This and `add.ts` take several calls of `Store.add` at once, and each is refused or done by itself. They note what they answered
// under a token, so that a client that lost the answer can ask again without adding twice.

/** Answers given before. */
export const answers: string = String.raw`
-- Arguments of both: origin, token, '1' when it was sent before, tokens to forget.
local ANSWERS, firstJob = P .. 'answers:' .. ARGV[1], 5
if ARGV[3] == '1' then
  local before = call('HGET', ANSWERS, ARGV[2])
  if before then return cjson.decode(before) end
end

local function answer(refusals, others)
  local what = tell(ARGV[1])
  local reply = { refusals, others, what }
  call('HSET', ANSWERS, ARGV[2], cjson.encode(reply))
  if ARGV[4] ~= '' then call('HDEL', ANSWERS, unpack(cjson.decode(ARGV[4]))) end
  -- Much longer than a client waits for its server.
  call('PEXPIRE', ANSWERS, 3600000)
  return reply
end
`;

/** Adds plain jobs. */
export const addPlain: string = String.raw`
-- Then: numbers of jobs of each call, joined by ' '; of each job that has dependencies its place among all and theirs, as '3:1;' or as '4:1-2 ^~3-3;', with
-- '~' before those that need not end as done, and '^' before those of which a run says what needs them; of each root that is not the job's own its place
-- and those of the first and the last job of a run that has it, as '3:1-2;'; number of runs; for each run kind, rank, how long its jobs are kept, the place
-- of what needs each of them and nothing else does, or '', number of jobs; ids, and texts without what the runs say.
local runs, at = tonumber(ARGV[8]), 9
local first = at + runs * 5
local ids, n = {}, 0
for i = first, #ARGV, 2 do
  n = n + 1
  ids[n] = ARGV[i]
end
local stored = hmget(JOB, ids)
local taken, refused, refusals, i, callNo = {}, {}, {}, 0, 0
for size in gmatch(ARGV[5], '%d+') do
  local last = i + tonumber(size)
  local clash
  for j = i + 1, last do
    local id = ids[j]
    if stored[j] or taken[id] then
      clash = id
      for k = i + 1, j - 1 do taken[ids[k]] = nil end
      for k = i + 1, last do refused[k] = true end
      n = n - (last - i)
      break
    end
    taken[id] = true
  end
  if clash then refusals[#refusals + 1] = callNo .. ' id ' .. clash end
  callNo = callNo + 1
  i = last
end
if n == 0 then return answer(refusals, {}) end

local depsOf = {}
for place, deps in gmatch(ARGV[6], '(%d+):([^;]*)') do depsOf[tonumber(place)] = deps end
-- References of jobs by their places; what depends on each, one or a list of them.
local refOf, edges, edgeCount, above = {}, {}, 0, {}

local function bindTo(dep, marked)
  local others = above[dep]
  if not others then above[dep] = marked
  elseif type(others) == 'string' then above[dep] = { others, marked }
  else others[#others + 1] = marked end
end

-- References of the jobs at these places, as one text: of many only the ends are told. See refsIn.
local function refsText(mark, from, upto)
  if upto - from < 3 then return mark .. concat(refOf, S .. mark, from, upto) end
  return mark .. '#' .. sub(refOf[from], 1, 11) .. '-' .. sub(refOf[upto], 1, 11)
end

-- Notes the dependencies of a job; returns its mark.
local function bind(job, deps)
  local ref, dep, text, mark = refOf[job], tonumber(deps), nil, '='
  if dep then
    text = refOf[dep]
    bindTo(dep, '=' .. ref)
  else
    local below = {}
    for isTold, tilde, from, upto in gmatch(deps, '(%^?)(~?)(%d+)%-(%d+)') do
      from, upto = tonumber(from), tonumber(upto)
      below[#below + 1] = refsText(tilde, from, upto)
      if isTold == '' then
        for place = from, upto do bindTo(place, tilde .. ref) end
      end
    end
    text, mark = concat(below, S), ':'
  end
  edges[edgeCount + 1], edges[edgeCount + 2] = ids[job], text
  edgeCount = edgeCount + 2
  return mark
end

local seq = nextSeqs(n)
local firstSeq, refs, refCount, job = seq, {}, 0, 0
local args, argCount = {}, 0
for r = 1, runs do
  local kind, rank, keep = nil, ARGV[at + 1], ARGV[at + 2]
  local tilde, needing = match(ARGV[at + 3], '(~?)(%d+)')
  -- It is of the same call: no job between is refused.
  if needing then keep = keep .. '\28' .. tilde .. format('%011x', seq + needing - job - 1) end
  local ready, readyCount, blockedCount, middle = {}, 0, 0, nil
  for _ = 1, ARGV[at + 4] do
    job = job + 1
    if not refused[job] then
      if not kind then
        -- Not before: of jobs that are refused it would stay for ever.
        kind = kindOf(ARGV[at])
        middle = S .. kind .. S .. keep .. S
      end
      local id, hex, mark = ids[job], format('%011x', seq), '-'
      local ref, deps = hex .. id, depsOf[job]
      seq = seq + 1
      refCount = refCount + 1
      refs[refCount], refOf[job] = ref, ref
      if deps then
        mark = bind(job, deps)
        blockedCount = blockedCount + 1
      else
        readyCount = readyCount + 1
        ready[readyCount] = ref
      end
      args[argCount + 1], args[argCount + 2] = id, mark .. hex .. middle .. ARGV[first + job * 2 - 1]
      argCount = argCount + 2
      past.note(id, kind, '', deps and 'b' or 'r', '0', '')
    end
  end
  if readyCount > 0 then many('RPUSH', LIST .. openLine(kind, rank), ready) end
  if kind then
    tally('r', kind, readyCount)
    tally('b', kind, blockedCount)
  end
  isReady = isReady or readyCount > 0
  at = at + 5
end
many('HSET', JOB, args)
enlist(refs, firstSeq)
if edgeCount > 0 then
  many('HSET', DEPS, edges)
  local needed, count = {}, 0
  for place, others in pairs(above) do
    needed[count + 1], needed[count + 2] = ids[place], type(others) == 'string' and others or concat(others, S)
    count = count + 2
  end
  many('HSET', ABOVE, needed)
end
local members, count, membersOf = {}, 0, {}
for root, from, upto in gmatch(ARGV[7], '(%d+):(%d+)%-(%d+)') do
  root = tonumber(root)
  if refOf[root] then
    local text = refsText('', tonumber(from), tonumber(upto))
    if not membersOf[root] then
      count = count + 2
      membersOf[root] = count
      members[count - 1], members[count] = ids[root], text
    else members[membersOf[root]] = members[membersOf[root]] .. S .. text end
  end
end
many('HSET', MEMBERS, members)
writeTally()
past.write()
return answer(refusals, {})
`;
