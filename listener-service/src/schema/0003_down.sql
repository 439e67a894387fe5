-- Back to the second schema. The CHECKs stay as they are said now: they say the same.
DROP INDEX stock_levels_low;
DROP INDEX stock_levels_reserved;
ALTER TABLE stock_levels DROP COLUMN is_low;
ALTER TABLE stock_levels DROP COLUMN is_reserved;
CREATE INDEX stock_levels_low ON stock_levels (item_id, store_id) WHERE threshold >= quantity - reserved;
CREATE INDEX stock_levels_reserved ON stock_levels (item_id) WHERE reserved > 0;
