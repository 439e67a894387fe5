-- One stretch of an order, looking for items that meet the one condition. ARGV: separator, 'REV' or '', how many matches to
-- pass over, how many to give, how many members to look at, the member after which to begin ('' for the first), the
-- condition (filters.lua). Gives how many were passed over and the member looked at last ('' at the end of the order); that
-- is false if the member to begin after is gone.
local present = filtered_state()
if not present then
  return {false, 0, {}, 0, ''}
end
local conditions, after = conditions_at(7), ARGV[6]
local total = items_with(conditions[1])
local first = 0
if after ~= '' then
  local rank = redis.call(ARGV[2] == 'REV' and 'ZREVRANK' or 'ZRANK', KEYS[3], after)
  if not rank then
    return {present, total, {}, 0, false}
  end
  first = rank + 1
end
local last = first + tonumber(ARGV[5]) - 1
local members, skus = members_between(first, last, ARGV[1], ARGV[2])
local rows, facets = rows_of(skus), fields_of(KEYS[4], skus)
local pass, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
local passed, page, reached = 0, {}, ''
for index, row in ipairs(rows) do
  if #page == limit then
    break
  end
  reached = members[index]
  if row and facets[index] and meets(conditions, row, facets[index]) then
    if passed < pass then
      passed = passed + 1
    else
      page[#page + 1] = row
    end
  end
end
if #members < tonumber(ARGV[5]) and #page < limit then
  reached = ''
end
return {present, total, documents_of(page), passed, reached}
