-- What the scripts of this folder share that read items. They only read. KEYS: the documents, the rows, an order; for
-- those that filter also the facets, the terms, their shared beginnings, and the members by facet
-- (shared/src/read_model.rs).

local ID = 36

-- The model's state, or nil while it is not whole: something may be missing then. And how many items there are.
local function state()
  local items = redis.call('HLEN', KEYS[1]) - 3
  if redis.call('ZCARD', KEYS[3]) ~= items or redis.call('HLEN', KEYS[2]) ~= items then
    return nil
  end
  return redis.call('HGET', KEYS[1], 'state'), items
end

-- The same, for those that filter.
local function filtered_state()
  local present, items = state()
  if not present or redis.call('HLEN', KEYS[4]) ~= items or redis.call('EXISTS', KEYS[5], KEYS[6], KEYS[7]) ~= 3 then
    return nil
  end
  return present
end

-- The SKU in a member: behind the separator, if it has one.
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

local function fields_of(key, fields)
  if #fields == 0 then
    return {}
  end
  return redis.call('HMGET', key, unpack(fields))
end

local function rows_of(skus)
  return fields_of(KEYS[2], skus)
end

-- The documents of these rows, in their order; nil for what is missing.
local function documents_of(rows)
  local ids = {}
  for index, row in ipairs(rows) do
    ids[index] = row and string.sub(row, 1, ID) or ''
  end
  return fields_of(KEYS[1], ids)
end
