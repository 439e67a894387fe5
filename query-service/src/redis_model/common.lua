-- What the scripts of this folder share. They only read. KEYS: the documents, the rows, the order; for those that
-- filter also the terms and their shared beginnings (shared/src/read_model.rs).

local ID = 36

-- The model's state, or nil while it is not whole: something may be missing then.
local function state()
  local items = redis.call('HLEN', KEYS[1]) - 2
  if redis.call('ZCARD', KEYS[3]) ~= items or redis.call('HLEN', KEYS[2]) ~= items then
    return nil
  end
  return redis.call('HGET', KEYS[1], 'state'), items
end

-- The SKU in a member of the order: behind the separator, if it has one.
local function sku_of(member, separator)
  if separator == '' then
    return member
  end
  return string.sub(member, string.find(member, separator, 1, true) + 1)
end

-- The members of the order with these ranks, and their SKUs.
local function members_between(first, last, separator, reversed)
  local members
  if reversed == 'REV' then
    members = redis.call('ZRANGE', KEYS[3], first, last, 'REV')
  else
    members = redis.call('ZRANGE', KEYS[3], first, last)
  end
  local skus = {}
  for index, member in ipairs(members) do
    skus[index] = sku_of(member, separator)
  end
  return members, skus
end

local function rows_of(skus)
  if #skus == 0 then
    return {}
  end
  return redis.call('HMGET', KEYS[2], unpack(skus))
end

-- The documents of these rows, in their order; nil for what is missing.
local function documents_of(rows)
  local ids = {}
  for index, row in ipairs(rows) do
    ids[index] = row and string.sub(row, 1, ID) or ''
  end
  if #ids == 0 then
    return {}
  end
  return redis.call('HMGET', KEYS[1], unpack(ids))
end

-- How many terms begin with the prefix, and how many items have such a term.
local function count(prefix)
  local low, high = '[' .. prefix, '(' .. prefix .. '\255'
  local terms = redis.call('ZLEXCOUNT', KEYS[4], low, high)
  return terms, terms - redis.call('ZLEXCOUNT', KEYS[5], low, high)
end

-- Whether the row has a term with the prefix; the line after the id is the name, which is none.
local function matches(row, prefix)
  return row and string.find(row, '\n' .. prefix, string.find(row, '\n', ID + 2, true), true) ~= nil
end
