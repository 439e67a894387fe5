-- Levels that are low, and the documents of their items, each once. KEYS[4] is the set of these levels. ARGV: the member
-- after which to begin, how many.
local present = state()
if not present or not redis.call('ZSCORE', KEYS[4], '') then
  return {false, {}, {}}
end
local members = redis.call('ZRANGEBYLEX', KEYS[4], '(' .. ARGV[1], '+', 'LIMIT', 0, ARGV[2])
local skus = {}
for _, member in ipairs(members) do
  local sku = string.sub(member, 1, string.find(member, '\n', 1, true) - 1)
  if sku ~= skus[#skus] then
    skus[#skus + 1] = sku
  end
end
return {present, members, documents_of(rows_of(skus))}
