-- One batch, if the model is still as it was left and whole. KEYS[12..] are the outcomes' keys.
-- ARGV: the state expected, the next one, the superseded logs ('' to leave them), the channel, what to announce, how
-- many items there are to write and how many to remove; then these, then document and seconds of each outcome.
local state = redis.call('HGET', ITEMS, 'state')
if state ~= ARGV[1] then return { 'changed', state or '' } end
local key = incomplete(2)
if key then return { 'incomplete', key } end

redis.call('HSET', ITEMS, 'state', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', ITEMS, 'superseded', ARGV[3]) end
local at = upsert(8, tonumber(ARGV[6]))
at = remove(at, tonumber(ARGV[7]))
for i = LAST_ORDER + 1, #KEYS do
    redis.call('SET', KEYS[i], ARGV[at], 'EX', ARGV[at + 1])
    at = at + 2
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return { 'done', '' }
