-- A part of a model that is being filled, if nobody else has filled on.
-- ARGV: the filling expected, the next one; what to write (upsert_all).
local filling = redis.call('HGET', ITEMS, 'filling')
if filling ~= ARGV[1] then return { 'changed', filling or '' } end

redis.call('HSET', ITEMS, 'filling', ARGV[2])
upsert_all(3)
return { 'done', '' }
