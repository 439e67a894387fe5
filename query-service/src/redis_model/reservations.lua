-- Some reservations of a list, the newest first. KEYS: the items, for the state; the reservations, the list. ARGV: the value
-- that the list is of, the greatest number with 16 digits, how many to look at, then the statuses that are wanted; none
-- if all are. Gives the generation that the documents are of, whether there are more, what the members end with, and the
-- documents; false for one whose status is not wanted. Big documents are fewer: a client waits for all of them.
local ENOUGH_BYTES = 262144
local present = redis.call('HGET', KEYS[1], 'state')
local generation = redis.call('HGET', KEYS[2], '')
if not present or not generation or not redis.call('ZSCORE', KEYS[3], '') then
  return {false, '', 0, {}, {}}
end
local from, to = '(' .. ARGV[1] .. '\n' .. ARGV[2] .. '\n\255', '[' .. ARGV[1] .. '\n'
local members = redis.call('ZREVRANGEBYLEX', KEYS[3], from, to, 'LIMIT', 0, ARGV[3])
local ends, ids = {}, {}
for index, member in ipairs(members) do
  ends[index] = string.sub(member, #ARGV[1] + 2)
  ids[index] = string.sub(ends[index], 18)
end
local documents = #ids > 0 and redis.call('HMGET', KEYS[2], unpack(ids)) or {}
local bytes, more = 0, #members == tonumber(ARGV[3]) and 1 or 0
for index, document in ipairs(documents) do
  -- In a text inside of a document its quotes would be escaped.
  local is_wanted = #ARGV == 3
  for n = 4, #ARGV do
    is_wanted = is_wanted or (document and string.find(document, '"status":"' .. ARGV[n] .. '"', 1, true))
  end
  documents[index] = is_wanted and (document or '') or false
  bytes = bytes + (is_wanted and document and #document or 0)
  if bytes >= ENOUGH_BYTES and index < #ids then
    more = 1
    for beyond = index + 1, #ids do
      ends[beyond], documents[beyond] = nil, nil
    end
    break
  end
end
return {present, generation, more, ends, documents}
