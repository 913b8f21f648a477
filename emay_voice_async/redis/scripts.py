"""The Lua scripts, as text: a module is found in every kind of package, a data file is not."""

import hashlib
from typing import Final

__all__ = ["CLAIM", "SETTLE", "SYNC", "Script"]


class Script:
    """A Lua script, which the server caches by hash."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha: str = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


SYNC: Final = Script(
    """\
-- One sync of one process with the shared state of one account and one kind of call. The process
-- tells which leases changed and how many slots it wants; it learns how many slots it was granted,
-- and when to sync again.
--
-- ARGV[1]: JSON, see protocol.py; all times in it are in microseconds. The clock is the server's,
-- unless the request has a "now" (tests). Returns JSON, or nil when a later request came first.
--
-- leases:  sorted set, lease -> when its slot is free; and the epoch, with a score of infinity
-- state:   hash, the rest of the window's arithmetic, and the limits that processes came with
-- queue:   sorted set of the waiting processes, in order
-- waiting: hash, process -> the slots that it wants, and when it will sync again
-- process: hash of this process, its last sequence number and the response
local leases, state, queue, waiting, process = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local request = cjson.decode(ARGV[1])
local me = request.process
local INFINITY = math.huge
local CALM = 5
local FORGET_LIMIT = 60000000
local SHORTEST_WAIT = 1000

local last = redis.call('HMGET', process, 'sequence', 'response')
local last_sequence = tonumber(last[1] or 0)
if request.sequence == last_sequence then
  -- The client library repeated the command, which was executed before.
  return last[2]
elseif request.sequence < last_sequence then
  return false
end

local known = {}
local fields = redis.call('HGETALL', state)
for i = 1, #fields, 2 do
  known[fields[i]] = fields[i + 1]
end

-- A clock that is set back must not stop the queue until it has caught up: the difference is added.
local skew, latest = tonumber(known.skew or 0), tonumber(known.latest or 0)
local now = request.now
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
now = now + skew
if now < latest then
  skew = skew + latest - now
  now = latest
end

-- A new state: never used, lost, older than this process has seen it, or by a clock that has stepped.
local epoch = known.epoch
local fresh = not epoch or not redis.call('ZSCORE', leases, epoch)
  or (request.epoch == epoch and (request.stepped or last_sequence < request.acknowledged))
if fresh then
  epoch = 'epoch:' .. me .. ':' .. request.sequence
  redis.call('ZREMRANGEBYSCORE', leases, '+inf', '+inf')
  redis.call('ZADD', leases, '+inf', epoch)
end

-- The strictest limit that any process came with in the last minute holds for all.
local requests, period, hold = request.requests, request.period, request.hold
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
if fresh then
  -- Other processes may hold leases, and may be silent for a while before they register them.
  fill(now + hold + request.silence)
elseif hold > tonumber(known.hold or 0) then
  fill(now + hold)
end
if request.fill > 0 then
  fill(now + hold + request.fill)
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
if request.over_speed and now >= lowers then
  lowers = now + hold
  slots = math.max(1, math.floor(slots / 2))
  recovers = now + CALM * hold
end

local function lease(number)
  return me .. ':' .. number
end
for _, pair in ipairs(request.registered) do
  redis.call('ZADD', leases, now + pair[2] + hold, lease(pair[1]))
end
for _, pair in ipairs(request.ended) do
  redis.call('ZADD', leases, 'XX', now + pair[2] + hold, lease(pair[1]))
end
for _, number in ipairs(request.returned) do
  redis.call('ZREM', leases, lease(number))
end
redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
local taken = redis.call('ZCARD', leases) - 1

local granted, wait, order = 0, -1, tonumber(known.order or 0)
if request.epoch ~= '' and request.epoch ~= epoch then
  -- The process must register its leases before it gets a slot.
  wait = 0
else
  -- The waiting processes, in order. A process that did not come in time has lost its place.
  local waiters, mine = {}, nil
  local announced = {}
  fields = redis.call('HGETALL', waiting)
  for i = 1, #fields, 2 do
    announced[fields[i]] = fields[i + 1]
  end
  for _, name in ipairs(redis.call('ZRANGE', queue, 0, -1)) do
    local wanted, comes = string.match(announced[name] or '', '^(%d+) (%d+)$')
    if name == me then
      mine = {wanted = request.wanted, here = true, granted = 0}
      waiters[#waiters + 1] = mine
    elseif not wanted or now > comes + request.grace then
      redis.call('ZREM', queue, name)
      redis.call('HDEL', waiting, name)
    else
      comes = tonumber(comes)
      waiters[#waiters + 1] = {
        wanted = tonumber(wanted), here = now >= comes, granted = 0, until_ = comes + request.grace,
      }
    end
  end
  local queued = mine ~= nil
  if not queued then
    mine = {wanted = request.wanted, here = true, granted = 0}
    waiters[#waiters + 1] = mine
  end

  -- Free slots are dealt one by one, round after round, to the processes whose time has come.
  local free, dealt = slots - taken, true
  while free > 0 and dealt do
    dealt = false
    for _, waiter in ipairs(waiters) do
      if free > 0 and waiter.here and waiter.granted < waiter.wanted then
        waiter.granted, free, dealt = waiter.granted + 1, free - 1, true
      end
    end
  end
  granted = mine.granted
  for i = 0, granted - 1 do
    redis.call('ZADD', leases, now + request.longest + hold, lease(request.first + i))
  end

  if granted == request.wanted then
    redis.call('ZREM', queue, me)
    redis.call('HDEL', waiting, me)
  else
    if granted > 0 or not queued then
      order = order + 1
      redis.call('ZADD', queue, order, me)
    end
    -- A process that was dealt a slot goes behind the others, so that each of them has a slot to wait
    -- for. A process that does not fetch its slot loses its place, and the slot goes to the next.
    local ahead, past, kept_until = 0, false, INFINITY
    for _, waiter in ipairs(waiters) do
      if waiter == mine then
        past = granted == 0
      elseif waiter.granted > 0 then
        kept_until = math.min(kept_until, waiter.until_ + 1)
      elseif not past then
        ahead = ahead + 1
      end
    end
    local index = math.max(0, taken + granted - slots) + ahead
    local free_at = tonumber(redis.call('ZRANGE', leases, index, index, 'WITHSCORES')[2] or '') or INFINITY
    -- A request in flight can be answered now, and its slot is free a hold later.
    local comes = math.max(now + SHORTEST_WAIT, math.min(free_at, now + hold, recovers, kept_until))
    wait = comes - now
    redis.call('HSET', waiting, me, string.format('%d %.0f', request.wanted - granted, comes))
  end
end

redis.call('HSET', state, 'epoch', epoch, 'skew', skew, 'latest', now, 'hold', hold, 'slots', slots,
  'recovers', recovers < INFINITY and recovers or '', 'lowers', lowers, 'order', order, own_limit, now)
local response = string.format('[%d,%s,%d,%.0f,%d,%d,%.0f,%.0f]',
  request.sequence, cjson.encode(epoch), granted, wait, slots, requests, period, now)
redis.call('HSET', process, 'sequence', request.sequence, 'response', response)
for _, key in ipairs({leases, state, queue, waiting}) do
  redis.call('PEXPIRE', key, request.keep_ms)
end
redis.call('PEXPIRE', process, request.keep_process_ms)
return response
"""
)
"""A sync of a process with the shared rate limit."""

CLAIM: Final = Script(
    """\
-- Claim each new key, for as long as a handler may take; tell the state of each key.
-- ARGV: the token of the claiming process, the milliseconds of a claim.
-- Returns for each key: 0 claimed by this process, 1 claimed by another process, 2 handled.
local token, claimed_for = ARGV[1], ARGV[2]
local states = {}
for i, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  if not holder or holder == token then
    -- The token of this process: the response to an earlier command was lost.
    redis.call('SET', key, token, 'PX', claimed_for)
    states[i] = 0
  elseif holder == 'handled' then
    states[i] = 2
  else
    states[i] = 1
  end
end
return states
"""
)
"""The claims of reports."""

SETTLE: Final = Script(
    """\
-- End claims: remember the keys as handled, or delete them so that they can be claimed again.
-- ARGV: the token of the claiming process, 1 or 0 for handled, the milliseconds to remember it.
-- A claim that expired and was taken by another process since is left as it is.
local token, handled, remembered_for = ARGV[1], ARGV[2] == '1', ARGV[3]
for _, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  if handled and (not holder or holder == token) then
    redis.call('SET', key, 'handled', 'PX', remembered_for)
  elseif not handled and holder == token then
    redis.call('DEL', key)
  end
end
return #KEYS
"""
)
"""The end of claims of reports."""
