-- Reservations, stores and history. What was there before is carried over by schema.rs, in the same transaction.

-- What an entry and an outcome are about is an item no longer only.
ALTER TABLE journal RENAME COLUMN item_id TO aggregate_id; -- and the Kafka key; NULL for a dead letter
ALTER TABLE journal ADD COLUMN aggregate INTEGER NOT NULL DEFAULT 0
    CHECK (aggregate IN (0, 1, 2)); -- 0 item, 1 reservation (16 bytes each), 2 store (the bytes of its id)
ALTER TABLE outcomes RENAME COLUMN item_id TO aggregate_id;
ALTER TABLE outcomes ADD COLUMN aggregate INTEGER NOT NULL DEFAULT 0 CHECK (aggregate IN (0, 1, 2));

ALTER TABLE items ADD COLUMN number INTEGER NOT NULL DEFAULT 0; -- names it in item_search
ALTER TABLE items ADD COLUMN category TEXT;
ALTER TABLE items ADD COLUMN price_minor INTEGER CHECK (price_minor BETWEEN 0 AND 1000000000000);
ALTER TABLE items ADD COLUMN currency TEXT CHECK ((currency IS NULL) = (price_minor IS NULL));
ALTER TABLE items ADD COLUMN low_stock_threshold INTEGER CHECK (low_stock_threshold BETWEEN 0 AND 1000000000);
UPDATE items SET number = numbered.number
    FROM (SELECT item_id, row_number() OVER (ORDER BY item_id) AS number FROM items) AS numbered
    WHERE numbered.item_id = items.item_id;

CREATE UNIQUE INDEX items_by_number ON items (number);
CREATE INDEX items_by_category ON items (category, sku) WHERE deleted = 0 AND category IS NOT NULL;
CREATE INDEX items_by_price ON items (currency, price_minor) WHERE deleted = 0 AND currency IS NOT NULL;

-- Full text of live items; its rowid is the item's number, the text itself is in `items`.
CREATE VIRTUAL TABLE item_search USING fts5 (
    sku, name, description,
    content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);
INSERT INTO item_search (rowid, sku, name, description)
    SELECT number, sku, name, description FROM items WHERE deleted = 0 ORDER BY number;

-- From when to when an item has been in the catalogue; a row for each time that its SKU was created.
CREATE TABLE item_lives (
    item_id    BLOB    NOT NULL REFERENCES items (item_id),
    created    INTEGER NOT NULL, -- journal sequence
    deleted    INTEGER,          -- journal sequence; NULL while it lives
    PRIMARY KEY (item_id, created)
) STRICT, WITHOUT ROWID;

CREATE TABLE stores (
    store_id   TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    location   TEXT,
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    version    INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (store_id <> 'main' OR active = 1)
) STRICT, WITHOUT ROWID;

INSERT INTO stores VALUES ('main', 'Main', NULL, 1, 1, unixepoch() * 1000, unixepoch() * 1000);

ALTER TABLE stock_levels ADD COLUMN own_threshold INTEGER CHECK (own_threshold BETWEEN 0 AND 1000000000);
ALTER TABLE stock_levels ADD COLUMN threshold INTEGER; -- its own, or else the item's: what low stock is held to
ALTER TABLE stock_levels ADD COLUMN moved INTEGER;     -- the sequence of its last movement

CREATE INDEX stock_levels_by_store ON stock_levels (store_id); -- a level that changes does not touch it

-- A comparison begins with its column: SQLite turns `expression < column` round in a query, and would then not see that
-- it is the condition of the index. So queries are to write it as it is here.
CREATE INDEX stock_levels_low ON stock_levels (item_id, store_id) WHERE threshold >= quantity - reserved;
CREATE INDEX stock_levels_reserved ON stock_levels (item_id) WHERE reserved > 0;

-- The ledger: one row for each step of a level, never changed. A level's rows are a chain, so that no index by item
-- is needed: each knows the one before it, and one further back (docs/SCHEMA.md), which finds any in log n steps.
CREATE TABLE movements (
    sequence        INTEGER PRIMARY KEY, -- of the fact in the journal
    occurred_at     INTEGER NOT NULL,
    type            TEXT    NOT NULL,    -- the fact that tells why: StockTransferred and StockCounted rather than StockAdjusted
    item_id         BLOB    NOT NULL,
    store_id        TEXT    NOT NULL,
    quantity_change INTEGER NOT NULL,
    reserved_change INTEGER NOT NULL,
    quantity        INTEGER NOT NULL,    -- after it
    reserved        INTEGER NOT NULL,    -- after it
    version         INTEGER NOT NULL,    -- of the level
    previous        INTEGER,             -- the level's movement before; NULL for its first
    jump            INTEGER,             -- one further back; NULL for its first
    reason          TEXT,
    reference       TEXT,
    actor           TEXT    NOT NULL,
    order_id        TEXT,
    reservation_id  BLOB,
    command_id      BLOB                 -- NULL for an expiry
) STRICT;

CREATE INDEX movements_by_store ON movements (store_id);
CREATE INDEX movements_by_order ON movements (order_id) WHERE order_id IS NOT NULL;

-- Every reservation, also the ended ones. In the order in which they were made, so that only the id is a random key.
CREATE TABLE reservations (
    number         INTEGER PRIMARY KEY, -- the sequence of its ReservationCreated in the journal
    reservation_id BLOB    NOT NULL UNIQUE CHECK (length(reservation_id) = 16),
    store_id       TEXT    NOT NULL,
    customer_id    TEXT,
    order_id       TEXT,
    simple         INTEGER NOT NULL CHECK (simple IN (0, 1)), -- made by a StockReservationRequested
    status         TEXT    NOT NULL CHECK (status IN ('pending', 'confirmed', 'released', 'expired')),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER,
    deadline_by    BLOB,                -- the eventId of the fact that set the deadline
    ended_at       INTEGER,
    version        INTEGER NOT NULL CHECK (version >= 1),
    CHECK ((status = 'pending') = (ended_at IS NULL)),
    CHECK (simple = 1 OR expires_at IS NOT NULL),
    CHECK ((deadline_by IS NULL) = (expires_at IS NULL))
) STRICT;

CREATE INDEX reservations_due ON reservations (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;
CREATE INDEX reservations_by_order ON reservations (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX reservations_by_customer ON reservations (customer_id) WHERE customer_id IS NOT NULL;

CREATE TABLE reservation_lines (
    reservation INTEGER NOT NULL REFERENCES reservations (number),
    line        INTEGER NOT NULL,
    item_id     BLOB    NOT NULL,
    store_id    TEXT    NOT NULL, -- the reservation's, for the index
    simple      INTEGER NOT NULL, -- the reservation's, for the index
    quantity    INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000000),
    confirmed   INTEGER NOT NULL CHECK (confirmed >= 0),
    released    INTEGER NOT NULL CHECK (released >= 0),
    PRIMARY KEY (reservation, line),
    CHECK (confirmed + released <= quantity)
) STRICT, WITHOUT ROWID;

-- Who holds the stock of a level. It has the pending ones only, so it stays small. Written as `stock_levels_low` is.
CREATE INDEX open_lines ON reservation_lines (item_id, store_id, simple, reservation)
    WHERE quantity > confirmed + released;

-- What the units on hand of live items with a price cost, by currency; decimal digits, for it may be more than 64 bits.
CREATE TABLE stock_value (
    currency     TEXT NOT NULL PRIMARY KEY,
    amount_minor TEXT NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE progress ADD COLUMN units INTEGER NOT NULL DEFAULT 0 CHECK (units >= 0);
ALTER TABLE progress ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND units);
UPDATE progress SET (units, reserved) =
    (SELECT coalesce(sum(quantity), 0), coalesce(sum(reserved), 0) FROM stock_levels);
