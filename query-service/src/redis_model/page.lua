-- A page of all items. ARGV: separator, 'REV' or '', first rank, how many.
local present, total = state()
if not present then
  return {false, 0, {}}
end
local first, last = tonumber(ARGV[3]), tonumber(ARGV[3]) + tonumber(ARGV[4]) - 1
local _, skus = members_between(first, last, ARGV[1], ARGV[2])
return {present, total, documents_of(rows_of(skus))}
