-- A page of the items that have a term with a prefix, if few terms have it. ARGV: separator, 'REV' or '', how many to
-- pass over, how many, prefix, how many terms are few. If more have it, the documents are false.
local present = state()
if not present or redis.call('EXISTS', KEYS[4], KEYS[5]) ~= 2 then
  return {false, 0, {}}
end
local prefix = ARGV[5]
local terms, total = count(prefix)
if terms > tonumber(ARGV[6]) then
  return {present, total, false}
end
local skus, seen = {}, {}
for _, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[4], '[' .. prefix, '(' .. prefix .. '\255')) do
  local sku = sku_of(member, '\n')
  if not seen[sku] then
    seen[sku] = true
    skus[#skus + 1] = sku
  end
end
local rows = rows_of(skus)

-- The member of the order that is the item's.
local function member_of(sku, row)
  if ARGV[1] == '' then
    return sku
  end
  local name = string.sub(row, ID + 2, string.find(row, '\n', ID + 2, true) - 1)
  if ARGV[1] == '\255' then
    name = string.gsub(name, '.', function(byte) return string.char(255 - string.byte(byte)) end)
  end
  return name .. ARGV[1] .. sku
end

-- By rank, not by comparing text: how Lua compares text depends on the locale of the server.
local rank_of = ARGV[2] == 'REV' and 'ZREVRANK' or 'ZRANK'
local ranks, row_at = {}, {}
for index, sku in ipairs(skus) do
  local rank = rows[index] and redis.call(rank_of, KEYS[3], member_of(sku, rows[index]))
  if not rank then
    return {false, 0, {}}
  end
  ranks[index] = rank
  row_at[rank] = rows[index]
end
table.sort(ranks)
local first = tonumber(ARGV[3])
local page = {}
for index = first + 1, math.min(first + tonumber(ARGV[4]), #ranks) do
  page[#page + 1] = row_at[ranks[index]]
end
return {present, total, documents_of(page)}
