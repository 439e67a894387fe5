-- A simple reservation in PostgreSQL: the tables that it touches, with the indexes that listener-service's have, and one
-- function that does it.
--
-- Left out, all to PostgreSQL's favour:
-- * foreign keys, and CHECKs: it reads their text anew for each statement;
-- * the indexes of low and of reserved levels: with them no update of a level could stay on its page (HOT), and there is room
--   on it for that;
-- * the row of the position and the counters, which each transaction would wait for;
-- * looks whether the command or the reservation is known, for their keys refuse them anyway;
-- * the ledger's jumps, which need a look each, and the derivation of ids.

CREATE TABLE items (
    item_id uuid PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    name text NOT NULL,
    version bigint NOT NULL,
    deleted boolean NOT NULL DEFAULT false
);

CREATE TABLE stock_levels (
    item_id uuid NOT NULL,
    store_id text NOT NULL,
    quantity bigint NOT NULL,
    reserved bigint NOT NULL,
    version bigint NOT NULL,
    updated_at bigint NOT NULL,
    own_threshold bigint,
    threshold bigint,
    moved bigint,
    previous bigint, -- what `moved` was, so that the update can tell it
    PRIMARY KEY (item_id, store_id)
) WITH (fillfactor = 50);
CREATE INDEX stock_levels_by_store ON stock_levels (store_id);

CREATE SEQUENCE sequence;

CREATE TABLE journal (
    sequence bigint PRIMARY KEY,
    stream smallint NOT NULL,
    event_type text NOT NULL,
    aggregate_id uuid,
    command_id uuid,
    fact_index integer NOT NULL,
    log bigint NOT NULL,
    log_offset bigint NOT NULL,
    occurred_at bigint NOT NULL,
    traceparent text,
    message text,
    aggregate smallint NOT NULL
);

CREATE TABLE outcomes (
    command_id uuid PRIMARY KEY,
    status text NOT NULL,
    type text NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint,
    sequence bigint NOT NULL,
    applied_at bigint NOT NULL,
    code text,
    detail text,
    dead_letter_id uuid,
    idempotency_id uuid,
    aggregate smallint NOT NULL
);

CREATE TABLE movements (
    sequence bigint PRIMARY KEY,
    occurred_at bigint NOT NULL,
    type text NOT NULL,
    item_id uuid NOT NULL,
    store_id text NOT NULL,
    quantity_change bigint NOT NULL,
    reserved_change bigint NOT NULL,
    quantity bigint NOT NULL,
    reserved bigint NOT NULL,
    version bigint NOT NULL,
    previous bigint,
    jump bigint,
    reason text,
    reference text,
    actor text NOT NULL,
    order_id text,
    reservation_id uuid,
    command_id uuid
);
CREATE INDEX movements_by_store ON movements (store_id);
CREATE INDEX movements_by_order ON movements (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE reservations (
    number bigint PRIMARY KEY,
    reservation_id uuid NOT NULL UNIQUE,
    store_id text NOT NULL,
    customer_id text,
    order_id text,
    simple boolean NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    deadline_by uuid,
    ended_at bigint,
    version bigint NOT NULL
);
CREATE INDEX reservations_due ON reservations (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;
CREATE INDEX reservations_by_order ON reservations (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX reservations_by_customer ON reservations (customer_id) WHERE customer_id IS NOT NULL;

CREATE TABLE reservation_lines (
    reservation bigint NOT NULL,
    line integer NOT NULL,
    item_id uuid NOT NULL,
    store_id text NOT NULL,
    simple boolean NOT NULL,
    quantity bigint NOT NULL,
    confirmed bigint NOT NULL,
    released bigint NOT NULL,
    PRIMARY KEY (reservation, line)
);
CREATE INDEX open_lines ON reservation_lines (item_id, store_id, simple, reservation)
    WHERE quantity > confirmed + released;

-- So many items with plenty of stock, and the messages that a reservation will append.
CREATE TABLE messages (created text NOT NULL, reserved text NOT NULL);
CREATE FUNCTION stock(items integer, created integer, reserved integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO items (item_id, sku, name, version)
        SELECT md5(n::text)::uuid, 'BENCH-' || lpad(n::text, 7, '0'), 'Thing of the bench', 1
        FROM generate_series(0, items - 1) AS n;
    INSERT INTO stock_levels SELECT item_id, 'main', 900000000, 0, 1, 0, NULL, NULL, NULL, NULL FROM items;
    INSERT INTO messages VALUES (repeat('x', created), repeat('x', reserved));
$$;

-- The level is locked as late as can be. Its update finds the newest version, and goes up by one from there. The ids of
-- commands and of reservations are ordered by time, as ours are.
CREATE FUNCTION reserve(n integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint := nextval('sequence');
    second bigint := nextval('sequence');
    item uuid := md5(n::text)::uuid;
    command uuid := ('018f0000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid;
    reservation uuid := ('018f0000-0000-8000-8000-' || lpad(to_hex(number), 12, '0'))::uuid;
    now_ms bigint := extract(epoch FROM clock_timestamp()) * 1000;
    trace text := '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    level stock_levels%ROWTYPE;
BEGIN
    INSERT INTO journal
        SELECT number, 1, 'ReservationCreated', reservation, command, 0, 1, number, now_ms, trace, created, 1
        FROM messages
        UNION ALL
        SELECT second, 1, 'StockReserved', item, command, 1, 1, number, now_ms, trace, reserved, 0
        FROM messages;
    INSERT INTO reservations VALUES
        (number, reservation, 'main', NULL, NULL, true, 'pending', now_ms, NULL, NULL, NULL, 1);
    INSERT INTO reservation_lines VALUES (number, 0, item, 'main', true, 1, 0, 0);
    UPDATE stock_levels SET reserved = reserved + 1, version = version + 1, updated_at = now_ms, previous = moved,
        moved = second
    WHERE item_id = item AND store_id = 'main' AND quantity - reserved >= 1 RETURNING * INTO level;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not enough stock';
    END IF;
    INSERT INTO movements VALUES
        (second, now_ms, 'StockReserved', item, 'main', 0, 1, level.quantity, level.reserved, level.version,
         level.previous, level.previous, NULL, NULL, 'anonymous', NULL, reservation, command);
    INSERT INTO outcomes VALUES
        (command, 'applied', 'StockReservationRequested', item, level.version, second, now_ms, NULL, NULL, NULL, NULL, 0);
    RETURN second;
END
$$;

-- Whether every reservation left its rows and was held by its level; '' if so.
CREATE FUNCTION wrong() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(', ',
        CASE WHEN (SELECT count(*) FROM journal) <> 2 * n THEN 'journal' END,
        CASE WHEN (SELECT count(*) FROM reservation_lines) <> n THEN 'lines' END,
        CASE WHEN (SELECT count(*) FROM movements) <> n THEN 'movements' END,
        CASE WHEN (SELECT count(*) FROM outcomes WHERE status = 'applied') <> n THEN 'outcomes' END,
        CASE WHEN (SELECT sum(reserved) FROM stock_levels) <> n THEN 'reserved' END,
        CASE WHEN (SELECT sum(version - 1) FROM stock_levels) <> n THEN 'versions' END)
    FROM (SELECT count(*) AS n FROM reservations) AS made;
$$;
