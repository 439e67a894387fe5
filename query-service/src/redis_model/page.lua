-- A page of all items. ARGV: separator, 'REV' or '', first rank, how many.
local present, total = state()
if not present then
  return {false, 0, {}}
end
local first, last = tonumber(ARGV[3]), tonumber(ARGV[3]) + tonumber(ARGV[4]) - 1
local members
if ARGV[2] == 'REV' then
  members = redis.call('ZRANGE', KEYS[3], first, last, 'REV')
else
  members = redis.call('ZRANGE', KEYS[3], first, last)
end
local skus = {}
for index, member in ipairs(members) do
  skus[index] = sku_of(member, ARGV[1])
end
return {present, total, documents_of(rows_of(skus))}
