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
