-- What the scripts share; it comes before each of them. What a script does happens at once or not at all: it looks
-- first, and its first write is one that a full Redis refuses, after which Redis refuses no other of the same call.
-- KEYS[1..4] are the items, the rows, the terms and the shared beginnings; KEYS[5..11] are the orders, in the order of
-- read_model::Order::ALL.
local ITEMS, ROWS, TERMS, SHARED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local BY_SKU, BY_NAME, BY_NAME_DOWN = KEYS[5], KEYS[6], KEYS[7]
local BY_AVAILABLE, BY_AVAILABLE_DOWN, BY_UPDATED, BY_UPDATED_DOWN = KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local FIRST_ORDER, LAST_ORDER = 5, 11

-- The key that has lost members, if one has: evicted, or deleted by somebody. `beside` fields of the items are no items.
local function incomplete(beside)
    local items = redis.call('HLEN', ITEMS) - beside
    if redis.call('HLEN', ROWS) ~= items then return ROWS end
    for order = FIRST_ORDER, LAST_ORDER do
        if redis.call('ZCARD', KEYS[order]) ~= items then return KEYS[order] end
    end
    -- How many members these have is not known; but the sentinel is written only when they are begun.
    if not redis.call('ZSCORE', TERMS, '') then return TERMS end
    if not redis.call('ZSCORE', SHARED, '') then return SHARED end
end

-- The longest beginning that both have, in whole characters.
local function shared_beginning(a, b)
    local length, most = 0, math.min(#a, #b)
    while length < most and a:byte(length + 1) == b:byte(length + 1) do length = length + 1 end
    local after = a:byte(length + 1)
    while after and after >= 0x80 and after < 0xC0 do
        length = length - 1
        after = a:byte(length + 1)
    end
    return a:sub(1, length)
end

-- Each byte's opposite, as a pattern's replacements.
local OPPOSITE = {}
for byte = 0, 255 do OPPOSITE[string.char(byte)] = string.char(255 - byte) end

-- What to write to each key, or to remove from it. One call a key costs a third of one call a member.
local function plan() return { by_name = {}, by_name_down = {}, terms = {}, shared = {} } end

-- Puts the members that a row (read_model::row) stands for on a plan; `score` is what goes before each, if anything.
local function put_members(on, row, sku, score)
    local function put(list, member)
        if score then list[#list + 1] = score end
        list[#list + 1] = member
    end
    local line, before = 0, nil
    for text in row:gmatch('[^\n]+') do
        line = line + 1
        if line == 2 then
            put(on.by_name, text .. '\n' .. sku)
            put(on.by_name_down, text:gsub('.', OPPOSITE) .. '\255' .. sku)
        elseif line > 2 then
            put(on.terms, text .. '\n' .. sku)
            local beginning = before and shared_beginning(before, text) or ''
            if beginning ~= '' then put(on.shared, beginning .. '\n' .. sku .. '\n' .. (line - 4)) end
            before = text
        end
    end
end

-- In parts that Lua's stack has room for, of an even number each.
local function call_all(command, key, list)
    for from = 1, #list, 1000 do
        redis.call(command, key, unpack(list, from, math.min(from + 999, #list)))
    end
end

local function call_members(command, on)
    call_all(command, BY_NAME, on.by_name)
    call_all(command, BY_NAME_DOWN, on.by_name_down)
    call_all(command, TERMS, on.terms)
    call_all(command, SHARED, on.shared)
end

-- The present rows of `count` SKUs, the first at ARGV[at], each `step` further on.
local function rows_of(at, count, step)
    local skus = {}
    for n = 1, count do skus[n] = ARGV[at + (n - 1) * step] end
    return count > 0 and redis.call('HMGET', ROWS, unpack(skus)) or {}
end

-- `count` items from ARGV[at] on, six values each; what has not changed is not touched. Returns where it ended.
local function upsert(at, count)
    local present = rows_of(at + 2, count, 6)
    local documents, rows, by_sku = {}, {}, {}
    local available, available_down, updated, updated_down = {}, {}, {}, {}
    local old, new = plan(), plan()
    for n = 1, count do
        local i = at + 6 * (n - 1)
        local sku, row, last = ARGV[i + 2], ARGV[i + 3], 2 * n
        documents[last - 1], documents[last] = ARGV[i], ARGV[i + 1]
        if present[n] ~= row then
            if present[n] then
                put_members(old, present[n], sku)
            else
                by_sku[#by_sku + 1] = 0
                by_sku[#by_sku + 1] = sku
            end
            rows[#rows + 1] = sku
            rows[#rows + 1] = row
            put_members(new, row, sku, 0)
        end
        available[last - 1], available[last] = ARGV[i + 4], sku
        available_down[last - 1], available_down[last] = 0 - ARGV[i + 4], sku
        updated[last - 1], updated[last] = ARGV[i + 5], sku
        updated_down[last - 1], updated_down[last] = 0 - ARGV[i + 5], sku
    end
    call_all('HSET', ITEMS, documents)
    call_all('HSET', ROWS, rows)
    call_members('ZREM', old)
    call_members('ZADD', new)
    call_all('ZADD', BY_SKU, by_sku)
    call_all('ZADD', BY_AVAILABLE, available)
    call_all('ZADD', BY_AVAILABLE_DOWN, available_down)
    call_all('ZADD', BY_UPDATED, updated)
    call_all('ZADD', BY_UPDATED_DOWN, updated_down)
    return at + 6 * count
end

-- `count` items from ARGV[at] on, two values each. Returns where it ended.
local function remove(at, count)
    local present = rows_of(at + 1, count, 2)
    local ids, skus, old = {}, {}, plan()
    for n = 1, count do
        ids[n], skus[n] = ARGV[at + 2 * (n - 1)], ARGV[at + 2 * n - 1]
        if present[n] then put_members(old, present[n], skus[n]) end
    end
    call_all('HDEL', ITEMS, ids)
    call_all('HDEL', ROWS, skus)
    call_members('ZREM', old)
    for _, key in ipairs({ BY_SKU, BY_AVAILABLE, BY_AVAILABLE_DOWN, BY_UPDATED, BY_UPDATED_DOWN }) do
        call_all('ZREM', key, skus)
    end
    return at + 2 * count
end
