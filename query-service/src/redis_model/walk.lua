-- One stretch of an order, looking for items that have a term with a prefix. ARGV: separator, 'REV' or '', how many
-- matches to pass over, how many to give, prefix, how many members to look at, the member after which to begin ('' for
-- the first). Gives how many were passed over and the member looked at last ('' at the end of the order); that is false
-- if the member to begin after is gone.
local present = state()
if not present or redis.call('EXISTS', KEYS[4], KEYS[5]) ~= 2 then
  return {false, 0, {}, 0, ''}
end
local prefix, after = ARGV[5], ARGV[7]
local _, total = count(prefix)
local first = 0
if after ~= '' then
  local rank = redis.call(ARGV[2] == 'REV' and 'ZREVRANK' or 'ZRANK', KEYS[3], after)
  if not rank then
    return {present, total, {}, 0, false}
  end
  first = rank + 1
end
local last = first + tonumber(ARGV[6]) - 1
local members, skus = members_between(first, last, ARGV[1], ARGV[2])
local pass, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
local passed, page, reached = 0, {}, ''
for index, row in ipairs(rows_of(skus)) do
  if #page == limit then
    break
  end
  reached = members[index]
  if matches(row, prefix) then
    if passed < pass then
      passed = passed + 1
    else
      page[#page + 1] = row
    end
  end
end
if #members < tonumber(ARGV[6]) and #page < limit then
  reached = ''
end
return {present, total, documents_of(page), passed, reached}
