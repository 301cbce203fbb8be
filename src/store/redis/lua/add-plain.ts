// Lua: adding jobs of which nothing is to be known but their ids: no dependencies, unique key or times.
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
-- Then: numbers of jobs of each call, joined by ' '; number of runs; for each run kind, rank, number of jobs; ids and texts.
local runs, at = tonumber(ARGV[6]), 7
local first = at + runs * 3
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
local seq = nextSeqs(n)
local firstSeq, refs, refCount, job = seq, {}, 0, 0
local args, argCount = {}, 0
for r = 1, runs do
  local kind, rank = kindOf(ARGV[at]), ARGV[at + 1]
  local line = openLine(kind, rank)
  local before = refCount
  local middle = S .. kind .. S
  for _ = 1, ARGV[at + 2] do
    job = job + 1
    if not refused[job] then
      local id, hex = ids[job], format('%011x', seq)
      seq = seq + 1
      refCount = refCount + 1
      refs[refCount] = hex .. id
      args[argCount + 1], args[argCount + 2] = id, '-' .. hex .. middle .. ARGV[first + job * 2 - 1]
      argCount = argCount + 2
      past.note(id, kind, '', 'r', '0', '')
    end
  end
  for k = before + 1, refCount, most do call('RPUSH', LIST .. line, unpack(refs, k, min(refCount, k + most - 1))) end
  tally('r', kind, refCount - before)
  at = at + 3
end
many('HSET', JOB, args)
enlist(refs, firstSeq)
writeTally()
past.write()
isReady = true
return answer(refusals, {})
`;
