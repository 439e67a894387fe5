-- Of some members of the rarest condition, the items that meet the others too. ARGV: separator, 'REV' or '', how many
-- members to look at, which condition is the rarest (0: not known yet), the member after which to begin ('' for the first),
-- the conditions (filters.lua). Gives which condition it is, SKUs, their ranks in the order, and the member looked at last
-- ('' at the end).
local present = filtered_state()
if not present then
  return {false, 0, {}, {}, ''}
end
local conditions, which = conditions_at(6), tonumber(ARGV[4])
local rare = conditions[which] or rarest(conditions)
for index, condition in ipairs(conditions) do
  if condition == rare then
    which = index
  end
end
local low = ARGV[5] == '' and rare.low or '(' .. ARGV[5]
local members = redis.call('ZRANGEBYLEX', rare.key, low, rare.high, 'LIMIT', 0, ARGV[3])
local skus, ranks = sifted(members, conditions, rare, ARGV[1], ARGV[2])
if not skus then
  return {false, 0, {}, {}, ''}
end
return {present, which, skus, ranks, #members < tonumber(ARGV[3]) and '' or members[#members]}
