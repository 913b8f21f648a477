-- One turn of one process at one line (one account, one kind of call): it tells what has become
-- of its leases and how many slots it wants; it is told how many it has, and when to come again.
--
-- ARGV[1]: JSON, see turns.py; every time in it is in microseconds. The clock is the server's, unless
-- the question has a "now" (tests). Returns JSON, or nothing when a later turn has overtaken this one.
--
-- leases:  sorted set, lease id -> when its slot is free; besides, the epoch, which never is
-- state:   hash, what else the arithmetic of a window needs, and the limits that processes came with
-- queue:   sorted set of the processes that wait, in order
-- waiting: hash, process -> how many slots it wants, and when it said it would come
-- process: hash of this process, its last turn and the answer to it
local leases, state, queue, waiting, process = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ask = cjson.decode(ARGV[1])
local me = ask.process
local INFINITY = math.huge
local CALM = 5
local FORGET_LIMIT = 60000000
local SHORTEST_WAIT = 1000

local last = redis.call('HMGET', process, 'seq', 'answer')
local last_seq = tonumber(last[1] or 0)
if ask.seq == last_seq then
  -- The client library repeated the command: what it did is done.
  return last[2]
elseif ask.seq < last_seq then
  return false
end

local known = {}
local fields = redis.call('HGETALL', state)
for i = 1, #fields, 2 do
  known[fields[i]] = fields[i + 1]
end

-- A clock that is put back must not stop the line until it has caught up: from then on it is ahead.
local skew, latest = tonumber(known.skew or 0), tonumber(known.latest or 0)
local now = ask.now
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
now = now + skew
if now < latest then
  skew = skew + latest - now
  now = latest
end

-- New: never used, lost, or (as this process remembers more than is written) older than it should be.
local epoch = known.epoch
local fresh = not epoch or not redis.call('ZSCORE', leases, epoch)
  or (ask.epoch == epoch and last_seq < ask.acked)
if fresh then
  epoch = 'epoch:' .. me .. ':' .. ask.seq
  redis.call('ZREMRANGEBYSCORE', leases, '+inf', '+inf')
  redis.call('ZADD', leases, '+inf', epoch)
end

-- The strictest limit that any process came with lately holds for all.
local requests, period, hold = ask.requests, ask.period, ask.hold
local own_limit = string.format('limit:%d:%d:%d', requests, period, hold)
known[own_limit] = now
for name, seen in pairs(known) do
  local r, p, h = string.match(name, '^limit:(%d+):(%d+):(%d+)$')
  if r then
    r, p, h = tonumber(r), tonumber(p), tonumber(h)
    if now - seen > math.max(FORGET_LIMIT, 2 * h) then
      redis.call('HDEL', state, name)
    else
      requests, period, hold = math.min(requests, r), math.max(period, p), math.max(hold, h)
    end
  end
end

local function fill(till)
  for i = 1, requests do
    redis.call('ZADD', leases, 'GT', till, 'fill:' .. i)
  end
end
if fresh or hold > tonumber(known.hold or 0) then
  fill(now + hold)
end
if ask.fill > 0 then
  fill(now + hold + ask.fill)
end

local recovers, lowers = tonumber(known.recovers or '') or INFINITY, tonumber(known.lowers or 0)
local slots = requests
if recovers < INFINITY then
  slots = math.min(requests, tonumber(known.slots))
end
while now >= recovers do
  slots = math.min(requests, slots + 1)
  recovers = slots == requests and INFINITY or recovers + CALM * hold
end
if ask.over_speed and now >= lowers then
  lowers = now + hold
  slots = math.max(1, math.floor(slots / 2))
  recovers = now + CALM * hold
end

local function lease(number)
  return me .. ':' .. number
end
for _, one in ipairs(ask.mine) do
  redis.call('ZADD', leases, now + one[2] + hold, lease(one[1]))
end
for _, one in ipairs(ask.ends) do
  redis.call('ZADD', leases, 'XX', now + one[2] + hold, lease(one[1]))
end
for _, number in ipairs(ask.backs) do
  redis.call('ZREM', leases, lease(number))
end
redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
local taken = redis.call('ZCARD', leases) - 1

local granted, wait, turn = 0, -1, tonumber(known.turn or 0)
if ask.epoch ~= '' and ask.epoch ~= epoch then
  -- First it has to say which leases it has.
  wait = 0
else
  -- Who waits, in order. One that did not come when it said it would has lost its place.
  local line, mine = {}, nil
  local said = {}
  fields = redis.call('HGETALL', waiting)
  for i = 1, #fields, 2 do
    said[fields[i]] = fields[i + 1]
  end
  for _, name in ipairs(redis.call('ZRANGE', queue, 0, -1)) do
    local wants, comes = string.match(said[name] or '', '^(%d+) (%d+)$')
    if name == me then
      mine = {wants = ask.want, here = true, got = 0}
      line[#line + 1] = mine
    elseif not wants or now > comes + ask.grace then
      redis.call('ZREM', queue, name)
      redis.call('HDEL', waiting, name)
    else
      comes = tonumber(comes)
      line[#line + 1] = {wants = tonumber(wants), here = now >= comes, got = 0, until_ = comes + ask.grace}
    end
  end
  local queued = mine ~= nil
  if not queued then
    mine = {wants = ask.want, here = true, got = 0}
    line[#line + 1] = mine
  end

  -- Free slots are dealt like cards to those who are here, or will be in a moment.
  local free, dealt = slots - taken, true
  while free > 0 and dealt do
    dealt = false
    for _, one in ipairs(line) do
      if free > 0 and one.here and one.got < one.wants then
        one.got, free, dealt = one.got + 1, free - 1, true
      end
    end
  end
  granted = mine.got
  for i = 0, granted - 1 do
    redis.call('ZADD', leases, now + ask.longest + hold, lease(ask.first + i))
  end

  if granted == ask.want then
    redis.call('ZREM', queue, me)
    redis.call('HDEL', waiting, me)
  else
    if granted > 0 or not queued then
      turn = turn + 1
      redis.call('ZADD', queue, turn, me)
    end
    -- Whoever is dealt a slot goes behind the others, so that each of those left has one to wait for.
    -- One that does not come for it loses its place, and then it is for whoever asks.
    local ahead, past, kept_until = 0, false, INFINITY
    for _, one in ipairs(line) do
      if one == mine then
        past = granted == 0
      elseif one.got > 0 then
        kept_until = math.min(kept_until, one.until_ + 1)
      elseif not past then
        ahead = ahead + 1
      end
    end
    local index = math.max(0, taken + granted - slots) + ahead
    local free_at = tonumber(redis.call('ZRANGE', leases, index, index, 'WITHSCORES')[2] or '') or INFINITY
    -- A request that is under way now can be answered now, and its slot is free a period later.
    local comes = math.max(now + SHORTEST_WAIT, math.min(free_at, now + hold, recovers, kept_until))
    wait = comes - now
    redis.call('HSET', waiting, me, string.format('%d %.0f', ask.want - granted, comes))
  end
end

redis.call('HSET', state, 'epoch', epoch, 'skew', skew, 'latest', now, 'hold', hold, 'slots', slots,
  'recovers', recovers < INFINITY and recovers or '', 'lowers', lowers, 'turn', turn, own_limit, now)
local answer = cjson.encode({ask.seq, epoch, granted, wait, slots, requests, period})
redis.call('HSET', process, 'seq', ask.seq, 'answer', answer)
for _, key in ipairs({leases, state, queue, waiting}) do
  redis.call('PEXPIRE', key, ask.keep)
end
redis.call('PEXPIRE', process, ask.fence)
return answer
