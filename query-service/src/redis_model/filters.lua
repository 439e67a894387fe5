-- What is asked of items, for the scripts that filter; it comes behind common.lua. ARGV from `at` on: a prefix that a term
-- must have ('' for none), how many facets are asked for, and of each: the first and the last of the members that
-- have it, a text that the item's facets must contain, and the least and the greatest number that must follow it there
-- ('' for none).

-- A condition tells which members of which sorted set have it, how many there are, and whether an item meets it.
local function conditions_at(at)
  local found = {}
  local prefix = ARGV[at]
  if prefix ~= '' then
    found[1] = { key = KEYS[5], low = '[' .. prefix, high = '(' .. prefix .. '\255', prefix = prefix }
  end
  for n = 1, tonumber(ARGV[at + 1]) do
    local i = at + 2 + 5 * (n - 1)
    found[#found + 1] = {
      key = KEYS[7], low = ARGV[i], high = ARGV[i + 1], text = ARGV[i + 2],
      least = tonumber(ARGV[i + 3]), greatest = tonumber(ARGV[i + 4]),
    }
  end
  for _, condition in ipairs(found) do
    condition.members = redis.call('ZLEXCOUNT', condition.key, condition.low, condition.high)
  end
  return found
end

-- How many items meet a condition: one can have several terms with a prefix.
local function items_with(condition)
  if condition.prefix then
    return condition.members - redis.call('ZLEXCOUNT', KEYS[6], condition.low, condition.high)
  end
  return condition.members
end

-- The condition that the fewest members have.
local function rarest(conditions)
  local least = conditions[1]
  for _, condition in ipairs(conditions) do
    if condition.members < least.members then
      least = condition
    end
  end
  return least
end

-- Whether an item meets all conditions but one. The line after the id of its row is the name, which is no term.
local function meets(conditions, row, facets, except)
  for _, condition in ipairs(conditions) do
    if condition ~= except then
      if condition.prefix then
        if not string.find(row, '\n' .. condition.prefix, string.find(row, '\n', ID + 2, true), true) then
          return false
        end
      else
        local _, last = string.find(facets, condition.text, 1, true)
        if not last then
          return false
        end
        if condition.least then
          local number = tonumber(string.match(facets, '^%d+', last + 1))
          if number < condition.least or number > condition.greatest then
            return false
          end
        end
      end
    end
  end
  return true
end

-- Each byte's opposite, as a pattern's replacements; made when first needed.
local opposite = nil
local function opposites()
  if not opposite then
    opposite = {}
    for byte = 0, 255 do
      opposite[string.char(byte)] = string.char(255 - byte)
    end
  end
  return opposite
end

-- The member of the order that is the item's.
local function member_of(sku, row, separator)
  if separator == '' then
    return sku
  end
  local name = string.sub(row, ID + 2, string.find(row, '\n', ID + 2, true) - 1)
  if separator == '\255' then
    name = string.gsub(name, '.', opposites())
  end
  return name .. separator .. sku
end

-- Of these members of the rarest condition, the items that meet the others: their SKUs, their ranks in the order, and their
-- rows. Nil if one of them is missing. By rank, not by comparing text: how Lua compares text depends on the locale of the
-- server.
local function sifted(members, conditions, rare, separator, reversed)
  local skus, seen = {}, {}
  for _, member in ipairs(members) do
    local sku = sku_of(member, '\n')
    if not seen[sku] then
      seen[sku] = true
      skus[#skus + 1] = sku
    end
  end
  local rows, facets = rows_of(skus), fields_of(KEYS[4], skus)
  local rank_of = reversed == 'REV' and 'ZREVRANK' or 'ZRANK'
  local met, ranks, rows_met = {}, {}, {}
  for index, sku in ipairs(skus) do
    local row = rows[index]
    if not row or not facets[index] then
      return nil
    end
    if meets(conditions, row, facets[index], rare) then
      local rank = redis.call(rank_of, KEYS[3], member_of(sku, row, separator))
      if not rank then
        return nil
      end
      met[#met + 1], ranks[#ranks + 1], rows_met[#rows_met + 1] = sku, rank, row
    end
  end
  return met, ranks, rows_met
end
