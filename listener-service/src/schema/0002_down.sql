-- Back to the first schema: levels, versions, items, outcomes and the journal stay. What only the second one has goes:
-- reservations (their units stay reserved, as one number a level), stores, thresholds, categories, prices, and the
-- ledger, which going up again makes anew from the journal.
DROP TABLE stock_value;
DROP TABLE reservation_lines;
DROP TABLE reservations;
DROP TABLE movements;
DROP TABLE stores;
DROP TABLE item_lives;
DROP TABLE item_search;

DROP INDEX stock_levels_by_store;
DROP INDEX stock_levels_low;
DROP INDEX stock_levels_reserved;
ALTER TABLE stock_levels DROP COLUMN own_threshold;
ALTER TABLE stock_levels DROP COLUMN threshold;
ALTER TABLE stock_levels DROP COLUMN moved;

DROP INDEX items_by_number;
DROP INDEX items_by_category;
DROP INDEX items_by_price;
ALTER TABLE items DROP COLUMN number;
ALTER TABLE items DROP COLUMN category;
ALTER TABLE items DROP COLUMN currency;
ALTER TABLE items DROP COLUMN price_minor;
ALTER TABLE items DROP COLUMN low_stock_threshold;

-- What is about a reservation or a store has no place in the first schema: entries lose their key, and outcomes are put
-- aside, for a command that had one must not be decided again once the schema has gone up. The older program does not
-- know the table.
UPDATE journal SET aggregate_id = NULL WHERE aggregate <> 0;
ALTER TABLE journal DROP COLUMN aggregate;
ALTER TABLE journal RENAME COLUMN aggregate_id TO item_id;
CREATE TABLE kept_outcomes AS SELECT * FROM outcomes WHERE aggregate <> 0;
DELETE FROM outcomes WHERE aggregate <> 0;
ALTER TABLE outcomes DROP COLUMN aggregate;
ALTER TABLE outcomes RENAME COLUMN aggregate_id TO item_id;

ALTER TABLE progress DROP COLUMN reserved;
ALTER TABLE progress DROP COLUMN units;
