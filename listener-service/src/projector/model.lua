-- What the scripts share; it comes before each of them. What a script does happens at once or not at all: it looks
-- first, and its first write is one that a full Redis refuses, after which Redis refuses no other of the same call.
-- KEYS are those of shared/src/read_model.rs, in this order; KEYS[5..11] are the orders, in that of Order::ALL, and
-- KEYS[17..20] the lists of reservations, in that of ReservationIndex::ALL.
local ITEMS, ROWS, TERMS, SHARED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local BY_SKU, BY_NAME, BY_NAME_DOWN = KEYS[5], KEYS[6], KEYS[7]
local BY_AVAILABLE, BY_AVAILABLE_DOWN, BY_UPDATED, BY_UPDATED_DOWN = KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local FACETS, BY_FACET, LOW, MOST_RESERVED = KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local RESERVATIONS, ALL_RESERVATIONS = KEYS[16], KEYS[17]
local BY_ORDER, BY_CUSTOMER, BY_ITEM, ENDED, STORES = KEYS[18], KEYS[19], KEYS[20], KEYS[21], KEYS[22]
local FIRST_ORDER, LAST_ORDER, LAST_KEY = 5, 11, 22

-- How many members these should have is not known; but the empty one is written only when they are begun.
local MARKED_SETS = {
    TERMS, SHARED, BY_FACET, LOW, MOST_RESERVED, ALL_RESERVATIONS, BY_ORDER, BY_CUSTOMER, BY_ITEM, ENDED,
}
local MARKED_HASHES = { RESERVATIONS, STORES }

-- The key that has lost members, if one has: evicted, or deleted by somebody. `beside` fields of the items are no items.
local function incomplete(beside)
    local items = redis.call('HLEN', ITEMS) - beside
    if redis.call('HLEN', ROWS) ~= items then return ROWS end
    if redis.call('HLEN', FACETS) ~= items then return FACETS end
    for order = FIRST_ORDER, LAST_ORDER do
        if redis.call('ZCARD', KEYS[order]) ~= items then return KEYS[order] end
    end
    for _, key in ipairs(MARKED_SETS) do
        if not redis.call('ZSCORE', key, '') then return key end
    end
    for _, key in ipairs(MARKED_HASHES) do
        if redis.call('HEXISTS', key, '') == 0 then return key end
    end
    -- Both have the empty one beside the reservations.
    if redis.call('HLEN', RESERVATIONS) ~= redis.call('ZCARD', ALL_RESERVATIONS) then return RESERVATIONS end
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
local function plan()
    return { by_name = {}, by_name_down = {}, terms = {}, shared = {}, by_facet = {}, low = {} }
end

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

-- Puts the member that a facet stands for on a plan.
local function put_facet(on, facet, sku, score)
    local list, member = on.by_facet, facet .. '\n' .. sku
    if facet:byte() == 0x6C then list, member = on.low, sku .. '\n' .. facet:sub(2) end
    if score then list[#list + 1] = score end
    list[#list + 1] = member
end

-- What of the facets (read_model::facets) has gone and what has come: most of an item's stay when its stock changes.
local function put_facets(old, new, before, now, sku)
    local gone = {}
    for facet in before:gmatch('[^\n]+') do gone[facet] = true end
    for facet in now:gmatch('[^\n]+') do
        if gone[facet] then gone[facet] = nil else put_facet(new, facet, sku, 0) end
    end
    for facet in pairs(gone) do put_facet(old, facet, sku) end
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
    call_all(command, BY_FACET, on.by_facet)
    call_all(command, LOW, on.low)
end

-- What `count` fields of a hash hold, the first named by ARGV[at], each `step` further on.
local function values_of(key, at, count, step)
    local fields = {}
    for n = 1, count do fields[n] = ARGV[at + (n - 1) * step] end
    return count > 0 and redis.call('HMGET', key, unpack(fields)) or {}
end

-- `count` items from ARGV[at] on, eight values each; what has not changed is not touched. Returns where it ended.
local function upsert(at, count)
    local present, present_facets = values_of(ROWS, at + 2, count, 8), values_of(FACETS, at + 2, count, 8)
    local documents, rows, facets, by_sku = {}, {}, {}, {}
    local available, available_down, updated, updated_down = {}, {}, {}, {}
    local reserved, unreserved = {}, {}
    local old, new = plan(), plan()
    for n = 1, count do
        local i = at + 8 * (n - 1)
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
        if present_facets[n] ~= ARGV[i + 6] then
            facets[#facets + 1] = sku
            facets[#facets + 1] = ARGV[i + 6]
            put_facets(old, new, present_facets[n] or '', ARGV[i + 6], sku)
        end
        if ARGV[i + 7] ~= '0' then
            reserved[#reserved + 1] = 0 - ARGV[i + 7]
            reserved[#reserved + 1] = sku
        elseif present[n] then
            unreserved[#unreserved + 1] = sku
        end
    end
    call_all('HSET', ITEMS, documents)
    call_all('HSET', ROWS, rows)
    call_all('HSET', FACETS, facets)
    call_members('ZREM', old)
    call_members('ZADD', new)
    call_all('ZADD', BY_SKU, by_sku)
    call_all('ZADD', BY_AVAILABLE, available)
    call_all('ZADD', BY_AVAILABLE_DOWN, available_down)
    call_all('ZADD', BY_UPDATED, updated)
    call_all('ZADD', BY_UPDATED_DOWN, updated_down)
    call_all('ZADD', MOST_RESERVED, reserved)
    call_all('ZREM', MOST_RESERVED, unreserved)
    return at + 8 * count
end

-- `count` items from ARGV[at] on, two values each. Returns where it ended.
local function remove(at, count)
    local present, present_facets = values_of(ROWS, at + 1, count, 2), values_of(FACETS, at + 1, count, 2)
    local ids, skus, old = {}, {}, plan()
    for n = 1, count do
        ids[n], skus[n] = ARGV[at + 2 * (n - 1)], ARGV[at + 2 * n - 1]
        if present[n] then put_members(old, present[n], skus[n]) end
        if present_facets[n] then put_facets(old, old, present_facets[n], '', skus[n]) end
    end
    call_all('HDEL', ITEMS, ids)
    call_all('HDEL', ROWS, skus)
    call_all('HDEL', FACETS, skus)
    call_members('ZREM', old)
    for _, key in ipairs({ BY_SKU, BY_AVAILABLE, BY_AVAILABLE_DOWN, BY_UPDATED, BY_UPDATED_DOWN, MOST_RESERVED }) do
        call_all('ZREM', key, skus)
    end
    return at + 2 * count
end

-- A reservation at ARGV[at]: id, document ('' to drop it), what its members end with (read_model::numbered), when it
-- ended ('' while it is pending), its order and its customer ('' for none), how many lines, and the item of each. Returns
-- it, and where it ended.
local function reservation_at(at)
    local lines = tonumber(ARGV[at + 6])
    local read = {
        id = ARGV[at], document = ARGV[at + 1], tail = '\n' .. ARGV[at + 2], ended = ARGV[at + 3],
        order = ARGV[at + 4], customer = ARGV[at + 5], items = { unpack(ARGV, at + 7, at + 6 + lines) },
    }
    return read, at + 7 + lines
end

-- What to write to each list of reservations, or to remove from it.
local function lists() return { all = {}, by_order = {}, by_customer = {}, by_item = {} } end

local function put_order(on, reservation, order, score)
    if order == '' then return end
    if score then on.by_order[#on.by_order + 1] = score end
    on.by_order[#on.by_order + 1] = order .. reservation.tail
end

local function put_reservation(on, reservation, score)
    local function put(list, value)
        if score then list[#list + 1] = score end
        list[#list + 1] = value .. reservation.tail
    end
    put(on.all, '')
    put_order(on, reservation, reservation.order, score)
    if reservation.customer ~= '' then put(on.by_customer, reservation.customer) end
    for _, item in ipairs(reservation.items) do put(on.by_item, item) end
end

local function call_lists(command, on)
    call_all(command, ALL_RESERVATIONS, on.all)
    call_all(command, BY_ORDER, on.by_order)
    call_all(command, BY_CUSTOMER, on.by_customer)
    call_all(command, BY_ITEM, on.by_item)
end

-- `count` reservations from ARGV[at] on. One that is there keeps all but its order. Returns where it ended.
local function upsert_reservations(at, count)
    local documents, ended, old, new = {}, {}, lists(), lists()
    for _ = 1, count do
        local reservation
        reservation, at = reservation_at(at)
        local present = redis.call('HGET', RESERVATIONS, reservation.id)
        if present then
            local order = cjson.decode(present).orderId
            if order == cjson.null then order = '' end
            if order ~= reservation.order then
                put_order(old, reservation, order)
                put_order(new, reservation, reservation.order, 0)
            end
        else
            put_reservation(new, reservation, 0)
        end
        documents[#documents + 1] = reservation.id
        documents[#documents + 1] = reservation.document
        if reservation.ended ~= '' then
            ended[#ended + 1] = reservation.ended
            ended[#ended + 1] = reservation.id
        end
    end
    call_all('HSET', RESERVATIONS, documents)
    call_lists('ZREM', old)
    call_lists('ZADD', new)
    call_all('ZADD', ENDED, ended)
    return at
end

-- Drops `count` reservations from ARGV[at] on. Returns where it ended.
local function drop_reservations(at, count)
    local ids, old = {}, lists()
    for n = 1, count do
        local reservation
        reservation, at = reservation_at(at)
        ids[n] = reservation.id
        put_reservation(old, reservation)
    end
    call_all('HDEL', RESERVATIONS, ids)
    call_lists('ZREM', old)
    call_all('ZREM', ENDED, ids)
    return at
end

-- `count` stores from ARGV[at] on, two values each. Returns where it ended.
local function upsert_stores(at, count)
    local stores = {}
    for n = 1, 2 * count do stores[n] = ARGV[at + n - 1] end
    call_all('HSET', STORES, stores)
    return at + 2 * count
end

-- All that is to be written, from ARGV[at] on: how many items, reservations and stores; then these. Returns where it
-- ended.
local function upsert_all(at)
    local items, reservations, stores = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = upsert(at + 3, items)
    at = upsert_reservations(at, reservations)
    return upsert_stores(at, stores)
end
