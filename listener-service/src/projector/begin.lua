-- Empties the model and marks it as being filled, if it is still as it was looked at.
-- ARGV: the state expected and the filling expected ('' for none), the new filling, the new generation.
local state, filling = unpack(redis.call('HMGET', ITEMS, 'state', 'filling'))
if (state or '') ~= ARGV[1] or (filling or '') ~= ARGV[2] then return { 'changed', state or filling or '' } end

redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', ITEMS, 'filling', ARGV[3])
for _, key in ipairs(MARKED_SETS) do redis.call('ZADD', key, 0, '') end
for _, key in ipairs(MARKED_HASHES) do redis.call('HSET', key, '', ARGV[4]) end
return { 'done', '' }
