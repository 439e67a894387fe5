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

-- The members that a row (read_model::row) stands for in the orders by name, the terms and the shared beginnings.
local function members(row, sku)
    local name, before
    local terms, shared, line = {}, {}, 0
    for text in row:gmatch('[^\n]+') do
        line = line + 1
        if line == 2 then name = text end
        if line > 2 then
            terms[#terms + 1] = text .. '\n' .. sku
            local beginning = before and shared_beginning(before, text) or ''
            if beginning ~= '' then shared[#shared + 1] = beginning .. '\n' .. sku .. '\n' .. (line - 4) end
            before = text
        end
    end
    local down = name:gsub('.', function(c) return string.char(255 - c:byte()) end)
    return name .. '\n' .. sku, down .. '\255' .. sku, terms, shared
end

local function add_all(key, list)
    local scored = {}
    for i = 1, #list do
        scored[2 * i - 1], scored[2 * i] = 0, list[i]
    end
    if #list > 0 then redis.call('ZADD', key, unpack(scored)) end
end

local function add_row(sku, row)
    local by_name, by_name_down, terms, shared = members(row, sku)
    redis.call('HSET', ROWS, sku, row)
    redis.call('ZADD', BY_NAME, 0, by_name)
    redis.call('ZADD', BY_NAME_DOWN, 0, by_name_down)
    add_all(TERMS, terms)
    add_all(SHARED, shared)
end

local function remove_row(sku, row)
    local by_name, by_name_down, terms, shared = members(row, sku)
    redis.call('ZREM', BY_NAME, by_name)
    redis.call('ZREM', BY_NAME_DOWN, by_name_down)
    redis.call('ZREM', TERMS, unpack(terms))
    if #shared > 0 then redis.call('ZREM', SHARED, unpack(shared)) end
end

-- `count` items from ARGV[at] on, six values each. Returns where it ended.
local function upsert(at, count)
    for i = at, at + 6 * (count - 1), 6 do
        local id, document, sku, row, available, updated =
            ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
        local old = redis.call('HGET', ROWS, sku)
        redis.call('HSET', ITEMS, id, document)
        if old ~= row then
            if old then remove_row(sku, old) else redis.call('ZADD', BY_SKU, 0, sku) end
            add_row(sku, row)
        end
        redis.call('ZADD', BY_AVAILABLE, available, sku)
        redis.call('ZADD', BY_AVAILABLE_DOWN, 0 - available, sku)
        redis.call('ZADD', BY_UPDATED, updated, sku)
        redis.call('ZADD', BY_UPDATED_DOWN, 0 - updated, sku)
    end
    return at + 6 * count
end

-- `count` items from ARGV[at] on, two values each. Returns where it ended.
local function remove(at, count)
    for i = at, at + 2 * (count - 1), 2 do
        local id, sku = ARGV[i], ARGV[i + 1]
        local row = redis.call('HGET', ROWS, sku)
        redis.call('HDEL', ITEMS, id)
        if row then
            remove_row(sku, row)
            redis.call('HDEL', ROWS, sku)
        end
        for _, key in ipairs({ BY_SKU, BY_AVAILABLE, BY_AVAILABLE_DOWN, BY_UPDATED, BY_UPDATED_DOWN }) do
            redis.call('ZREM', key, sku)
        end
    end
    return at + 2 * count
end
