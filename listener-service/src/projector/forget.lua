-- Removes some outcomes while the model is being filled: those of a history that may be lost. Returns where to go on.
-- ARGV: the filling expected, the next one, the pattern of their keys, where to begin, how many keys to look at.
local filling = redis.call('HGET', ITEMS, 'filling')
if filling ~= ARGV[1] then return { 'changed', filling or '' } end

redis.call('HSET', ITEMS, 'filling', ARGV[2])
local cursor, found = unpack(redis.call('SCAN', ARGV[4], 'MATCH', ARGV[3], 'COUNT', ARGV[5]))
for _, key in ipairs(found) do redis.call('UNLINK', key) end
return { 'done', cursor }
