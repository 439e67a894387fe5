-- The documents of some SKUs. ARGV: these; nil for what is missing.
local present = state()
if not present then
  return {false, {}}
end
local skus = {}
for index = 1, #ARGV do
  skus[index] = ARGV[index]
end
return {present, documents_of(rows_of(skus))}
