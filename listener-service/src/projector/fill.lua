-- Some items of a model that is being filled, if nobody else has filled on.
-- ARGV: the filling expected, the next one, how many items; then these.
local filling = redis.call('HGET', ITEMS, 'filling')
if filling ~= ARGV[1] then return { 'changed', filling or '' } end

redis.call('HSET', ITEMS, 'filling', ARGV[2])
upsert(4, tonumber(ARGV[3]))
return { 'done', '' }
