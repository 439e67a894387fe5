-- The documents of the items of which most is reserved. KEYS[4] is the set of these. ARGV: how many.
local present = state()
if not present or not redis.call('ZSCORE', KEYS[4], '') then
  return {false, {}}
end
-- The empty one comes last: the others' scores are negative.
local skus = redis.call('ZRANGE', KEYS[4], 0, tonumber(ARGV[1]) - 1)
if skus[#skus] == '' then
  skus[#skus] = nil
end
return {present, documents_of(rows_of(skus))}
