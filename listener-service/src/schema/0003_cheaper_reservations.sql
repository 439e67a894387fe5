-- What a reservation costs the writer. No row of the journal, the ledger or a reservation changes.

-- Whether a level is low, and whether any of it is reserved, as columns: an index on a condition over quantities is taken
-- apart and put together again at every change of a level; one on a column only when a statement sets that column.
ALTER TABLE stock_levels ADD COLUMN is_low INTEGER NOT NULL DEFAULT 0 CHECK (is_low IN (0, 1));
ALTER TABLE stock_levels ADD COLUMN is_reserved INTEGER NOT NULL DEFAULT 0 CHECK (is_reserved IN (0, 1));
UPDATE stock_levels SET is_low = coalesce(threshold >= quantity - reserved, 0), is_reserved = reserved > 0;

DROP INDEX stock_levels_low;
DROP INDEX stock_levels_reserved;
CREATE INDEX stock_levels_low ON stock_levels (item_id, store_id) WHERE is_low = 1;
CREATE INDEX stock_levels_reserved ON stock_levels (item_id) WHERE is_reserved = 1;

-- A list of more than two constants behind IN is a table of its own, which SQLite makes and drops for every statement
-- that checks it: two fifths of the processor time of a reservation. The same rules, said without a list; and the columns
-- above are held to what they stand for. Of a CHECK nothing is stored but its text, which may be replaced in this way:
-- https://sqlite.org/lang_altertable.html, "changing CHECK … constraints".
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(replace(replace(replace(replace(sql,
    'stream IN (0, 1, 2)', 'stream BETWEEN 0 AND 2'),
    'aggregate IN (0, 1, 2)', 'aggregate BETWEEN 0 AND 2'),
    'status IN (''applied'', ''rejected'', ''dead_lettered'')',
    'status = ''applied'' OR status = ''rejected'' OR status = ''dead_lettered'''),
    'status IN (''pending'', ''confirmed'', ''released'', ''expired'')',
    'status = ''pending'' OR status = ''confirmed'' OR status = ''released'' OR status = ''expired'''),
    'is_low IN (0, 1)', 'is_low = coalesce(threshold >= quantity - reserved, 0)'),
    'is_reserved IN (0, 1)', 'is_reserved = (reserved > 0)')
    WHERE type = 'table' AND name IN ('journal', 'outcomes', 'reservations', 'stock_levels');
PRAGMA writable_schema = RESET;
