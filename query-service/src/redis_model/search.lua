-- A page of the items that meet some conditions, if few members have one of these. ARGV: separator, 'REV' or '', how many
-- to pass over, how many, how many members are few, the conditions (filters.lua). If more have each, the documents are
-- false.
local present = filtered_state()
if not present then
  return {false, 0, {}}
end
local conditions = conditions_at(6)
local rare = rarest(conditions)
if rare.members > tonumber(ARGV[5]) then
  return {present, 0, false}
end
local members = redis.call('ZRANGEBYLEX', rare.key, rare.low, rare.high)
local skus, ranks, rows = sifted(members, conditions, rare, ARGV[1], ARGV[2])
if not skus then
  return {false, 0, {}}
end
local row_at = {}
for index, rank in ipairs(ranks) do
  row_at[rank] = rows[index]
end
table.sort(ranks)
local first = tonumber(ARGV[3])
local page = {}
for index = first + 1, math.min(first + tonumber(ARGV[4]), #ranks) do
  page[#page + 1] = row_at[ranks[index]]
end
return {present, #ranks, documents_of(page)}
