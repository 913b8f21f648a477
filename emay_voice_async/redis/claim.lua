-- Claim each key that nobody has, for as long as a handler may take; say what each one is.
-- ARGV: the token of the one who asks, the milliseconds of a claim.
-- Returns for each key: 0 yours, 1 somebody else is at it, 2 handled.
local token, claimed_for = ARGV[1], ARGV[2]
local answers = {}
for i, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  if not holder or holder == token then
    -- One's own: the answer to an earlier command was lost.
    redis.call('SET', key, token, 'PX', claimed_for)
    answers[i] = 0
  elseif holder == 'handled' then
    answers[i] = 2
  else
    answers[i] = 1
  end
end
return answers
