-- The truth. docs/SCHEMA.md says why each table is as it is. Times are milliseconds since 1970 UTC; ids are the 16
-- bytes of a UUID. CHECKs are assertions: the domain keeps them, and a fault there must not reach the disk.

-- Catalogue. A deleted item stays as a tombstone, so that its version goes on if its SKU is created again.
CREATE TABLE items (
    item_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(item_id) = 16),
    sku         TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    description TEXT,
    version     INTEGER NOT NULL CHECK (version >= 1),
    deleted     INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX items_by_name ON items (name, sku) WHERE deleted = 0;

-- What `q` finds an item by (shared::search); live items only.
CREATE TABLE item_terms (
    term    TEXT NOT NULL,
    item_id BLOB NOT NULL REFERENCES items (item_id),
    PRIMARY KEY (term, item_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX item_terms_by_item ON item_terms (item_id);

-- The level of an item at a store. It stays when the item is deleted (at 0), for its version goes on.
CREATE TABLE stock_levels (
    item_id    BLOB    NOT NULL REFERENCES items (item_id),
    store_id   TEXT    NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 1000000000),
    reserved   INTEGER NOT NULL CHECK (reserved BETWEEN 0 AND quantity),
    version    INTEGER NOT NULL CHECK (version >= 1),
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (item_id, store_id)
) STRICT, WITHOUT ROWID;

-- Which logs have been consumed, and how far. The current one is the one without `superseded_at`.
CREATE TABLE logs (
    log           INTEGER PRIMARY KEY,
    log_id        TEXT    NOT NULL UNIQUE,
    next_offset   INTEGER CHECK (next_offset >= 0), -- NULL: nothing of it has been applied
    first_seen_at INTEGER NOT NULL,
    superseded_at INTEGER
) STRICT;

CREATE UNIQUE INDEX logs_current ON logs (superseded_at IS NULL) WHERE superseded_at IS NULL;

-- Everything that happened, in one order: audit trail, outbox, and the input of every rebuild.
CREATE TABLE journal (
    sequence    INTEGER PRIMARY KEY,
    stream      INTEGER NOT NULL CHECK (stream IN (0, 1, 2)), -- 0 items, 1 stock, 2 dead letters
    event_type  TEXT    NOT NULL, -- `DeadLettered` for a dead letter
    item_id     BLOB,             -- the aggregate and the Kafka key; NULL for a dead letter
    command_id  BLOB,             -- NULL for a dead letter that named no command
    fact_index  INTEGER NOT NULL,
    log         INTEGER NOT NULL REFERENCES logs (log),
    log_offset  INTEGER NOT NULL, -- of the request that caused it
    occurred_at INTEGER NOT NULL,
    traceparent TEXT,             -- of the request, for the published message's header
    message     TEXT              -- as published; NULL for a dead letter, whose bytes are in dead_letters
) STRICT;

-- What became of each command. The key is time-ordered unless the client sent an idempotency key.
CREATE TABLE outcomes (
    command_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(command_id) = 16),
    status         TEXT    NOT NULL CHECK (status IN ('applied', 'rejected', 'dead_lettered')),
    type           TEXT    NOT NULL, -- the request's eventType
    item_id        BLOB    NOT NULL,
    version        INTEGER,          -- of the aggregate changed; applied only
    sequence       INTEGER NOT NULL, -- of its last journal entry
    applied_at     INTEGER NOT NULL,
    code           TEXT,
    detail         TEXT,
    dead_letter_id BLOB,
    idempotency_id BLOB
) STRICT, WITHOUT ROWID;

-- Only commands that carry a key have a row: the command that the key stands for.
CREATE TABLE idempotency_keys (
    idempotency_id BLOB NOT NULL PRIMARY KEY CHECK (length(idempotency_id) = 16),
    command_id     BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What could not be processed, as it came. Its place in the one order is its row in the journal.
CREATE TABLE dead_letters (
    dead_letter_id   BLOB    NOT NULL PRIMARY KEY CHECK (length(dead_letter_id) = 16),
    sequence         INTEGER NOT NULL UNIQUE,
    code             TEXT    NOT NULL,
    detail           TEXT    NOT NULL,
    attempts         INTEGER NOT NULL,
    command_id       BLOB,
    origin_topic     TEXT    NOT NULL,
    origin_partition INTEGER NOT NULL,
    origin_offset    INTEGER NOT NULL,
    log              INTEGER NOT NULL REFERENCES logs (log),
    key              BLOB,
    value            BLOB,
    headers          TEXT    NOT NULL, -- JSON: [[name, base64 or null], …]
    occurred_at      INTEGER NOT NULL,
    publish_error    TEXT              -- why it could not reach the DLQ topic; the others went on
) STRICT, WITHOUT ROWID;

-- Who writes. A holder that finds another epoch stops.
CREATE TABLE lease (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    epoch         INTEGER NOT NULL,
    heartbeat     INTEGER NOT NULL,
    boot_id       TEXT    NOT NULL, -- '' when nobody holds it
    pid_namespace TEXT    NOT NULL,
    pid           INTEGER NOT NULL,
    start_time    INTEGER NOT NULL,
    host          TEXT    NOT NULL,
    taken_at      INTEGER NOT NULL
) STRICT;

INSERT INTO lease VALUES (1, 0, 0, '', '', 0, 0, '', 0);

-- One row of counters and marks, moved with each batch.
CREATE TABLE progress (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    items         INTEGER NOT NULL, -- live ones
    applied       INTEGER NOT NULL,
    rejected      INTEGER NOT NULL,
    dead_lettered INTEGER NOT NULL,
    published     INTEGER NOT NULL, -- the publisher's watermark: all up to this sequence is on its topic
    purged        INTEGER NOT NULL, -- outcomes of all up to this sequence are gone
    last_time     INTEGER NOT NULL  -- the writer's clock never goes back behind this
) STRICT;

INSERT INTO progress VALUES (1, 0, 0, 0, 0, 0, 0, 0);
