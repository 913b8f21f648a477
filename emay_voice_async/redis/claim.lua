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
