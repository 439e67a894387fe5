-- Whether the model is as it was left and whole; if so, says so to all, and returns how many reservations in it have
-- ended. It writes nothing, so a full Redis runs it.
-- ARGV: the state expected, the channel, the heartbeat.
local state = redis.call('HGET', ITEMS, 'state')
if state ~= ARGV[1] then return { 'changed', state or '' } end
local key = incomplete(3)
if key then return { 'incomplete', key } end

redis.call('PUBLISH', ARGV[2], ARGV[3])
return { 'done', tostring(redis.call('ZCARD', ENDED) - 1) }
