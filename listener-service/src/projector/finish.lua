-- Declares a model whole that has been filled, if nobody else has filled on and nothing of it was lost meanwhile.
-- ARGV: the filling expected, the state, the superseded logs, the summary, the channel, what to announce.
local filling = redis.call('HGET', ITEMS, 'filling')
if filling ~= ARGV[1] then return { 'changed', filling or '' } end
local key = incomplete(1)
if key then return { 'incomplete', key } end

redis.call('HSET', ITEMS, 'state', ARGV[2], 'superseded', ARGV[3], 'summary', ARGV[4])
redis.call('HDEL', ITEMS, 'filling')
redis.call('PUBLISH', ARGV[5], ARGV[6])
return { 'done', '' }
