-- One batch, if the model is still as it was left and whole. KEYS[LAST_KEY + 1..] are the outcomes' keys.
-- ARGV: the state expected, the next one, the superseded logs ('' to leave them), the summary ('' to leave it), the
-- channel, what to announce, how many items to remove, how many reservations to drop; what to write (upsert_all), the
-- items to remove and the reservations to drop, then document and seconds of each outcome.
local state = redis.call('HGET', ITEMS, 'state')
if state ~= ARGV[1] then return { 'changed', state or '' } end
local key = incomplete(3)
if key then return { 'incomplete', key } end

redis.call('HSET', ITEMS, 'state', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', ITEMS, 'superseded', ARGV[3]) end
if ARGV[4] ~= '' then redis.call('HSET', ITEMS, 'summary', ARGV[4]) end
local at = upsert_all(9)
at = remove(at, tonumber(ARGV[7]))
at = drop_reservations(at, tonumber(ARGV[8]))
for i = LAST_KEY + 1, #KEYS do
    redis.call('SET', KEYS[i], ARGV[at], 'EX', ARGV[at + 1])
    at = at + 2
end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return { 'done', '' }
