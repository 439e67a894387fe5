-- A database that has grown: items that were each created with stock, and then reserved and released twice, in five rounds
-- over all of them. So the journal has ten entries for each item, two of a round; of the outcomes the last are left.
--
-- The temporary tables `size`, `texts` and `numbered` are there. Entry p (1 or 2) of round r (from 0) of item n (from 0)
-- has the sequence r * 2 * items + 2n + p. Everything is inserted in the order of its key.

INSERT INTO logs (log, log_id, first_seen_at, superseded_at) VALUES (1, 'grown', 0, 0);

CREATE TEMP TABLE kinds AS
    WITH all_kinds (r, p, stream, event_type, aggregate) AS (VALUES
        (0, 1, 0, 'InventoryItemCreated', 0), (0, 2, 1, 'StockAdjusted', 0),
        (1, 1, 1, 'ReservationCreated', 1), (1, 2, 1, 'StockReserved', 0),
        (2, 1, 1, 'StockReleased', 0), (2, 2, 1, 'ReservationReleased', 1),
        (3, 1, 1, 'ReservationCreated', 1), (3, 2, 1, 'StockReserved', 0),
        (4, 1, 1, 'StockReleased', 0), (4, 2, 1, 'ReservationReleased', 1))
    SELECT * FROM all_kinds;

-- The steps of a level: the entry that each is of, the entry before, and the one that it jumps to (docs/SCHEMA.md).
CREATE TEMP TABLE steps AS
    WITH all_steps (version, r, p, previous_r, previous_p, jump_r, jump_p, quantity_change, reserved_change, reserved)
    AS (VALUES
        (1, 0, 2, NULL, NULL, NULL, NULL, 900000000, 0, 0),
        (2, 1, 2, 0, 2, 0, 2, 0, 1, 1),
        (3, 2, 1, 1, 2, 1, 2, 0, -1, 0),
        (4, 3, 2, 2, 1, 0, 2, 0, 1, 1),
        (5, 4, 1, 3, 2, 3, 2, 0, -1, 0))
    SELECT * FROM all_steps;

CREATE TEMP TABLE made (r INTEGER, n INTEGER, reservation_id BLOB, PRIMARY KEY (r, n)) WITHOUT ROWID;
INSERT INTO made SELECT r, n, randomblob(16) FROM (SELECT 1 AS r UNION ALL SELECT 3) CROSS JOIN numbered;

INSERT INTO items (item_id, sku, name, version, created_at, updated_at, number)
    SELECT item_id, sku, 'Thing of the bench', 1, 0, 0, 2 * n + 1 FROM numbered ORDER BY item_id;
INSERT INTO item_lives (item_id, created) SELECT item_id, 2 * n + 1 FROM numbered ORDER BY item_id;

-- One round after another: a CROSS JOIN keeps the order in which it is written.
INSERT INTO journal (sequence, stream, event_type, aggregate, aggregate_id, command_id, fact_index, log, log_offset,
        occurred_at, traceparent, message)
    SELECT r * 2 * items + 2 * n + p, stream, event_type, aggregate,
        CASE aggregate WHEN 0 THEN item_id
            ELSE (SELECT reservation_id FROM made WHERE made.n = numbered.n AND made.r = rounds.value - 1 + rounds.value % 2)
        END,
        randomblob(16), p - 1, 1, r * items + n, 0, traceparent, message
    FROM json_each('[0, 1, 2, 3, 4]') AS rounds CROSS JOIN numbered CROSS JOIN kinds ON kinds.r = rounds.value
        CROSS JOIN size CROSS JOIN texts;

INSERT INTO reservations (number, reservation_id, store_id, simple, status, created_at, ended_at, version)
    SELECT r * 2 * items + 2 * n + 1, reservation_id, 'main', 1, 'released', 0, 0, 2 FROM made CROSS JOIN size;
INSERT INTO reservation_lines (reservation, line, item_id, store_id, simple, quantity, confirmed, released)
    SELECT r * 2 * items + 2 * n + 1, 0, item_id, 'main', 1, 1, 0, 1
    FROM made CROSS JOIN numbered USING (n) CROSS JOIN size;

INSERT INTO movements (sequence, occurred_at, type, item_id, store_id, quantity_change, reserved_change, quantity,
        reserved, version, previous, jump, actor)
    SELECT steps.r * 2 * items + 2 * n + steps.p, 0, event_type, item_id, 'main', quantity_change, reserved_change,
        900000000, reserved, version, previous_r * 2 * items + 2 * n + previous_p, jump_r * 2 * items + 2 * n + jump_p,
        'anonymous'
    FROM steps CROSS JOIN numbered CROSS JOIN kinds ON kinds.r = steps.r AND kinds.p = steps.p CROSS JOIN size;
INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at, moved)
    SELECT item_id, 'main', 900000000, 0, 5, 0, 4 * 2 * items + 2 * n + 1 FROM numbered CROSS JOIN size ORDER BY item_id;

-- Of the last tenth of the last round.
INSERT INTO outcomes (command_id, status, type, aggregate, aggregate_id, version, sequence, applied_at)
    SELECT command_id, 'applied', 'StockReleaseRequested', 0, aggregate_id, 5, sequence, 0 FROM journal CROSS JOIN size
    WHERE sequence > items * 98 / 10 AND event_type = 'StockReleased' ORDER BY command_id;

UPDATE progress SET (items, applied, published, purged, units) =
    (SELECT items, 5 * items, 10 * items, items * 98 / 10, 900000000 * items FROM size);
