//! The statements of the writer, the same text on the same tables. The first two groups make a simple reservation.

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const BEAT: &str = "UPDATE lease SET heartbeat = heartbeat + 1 WHERE epoch = ?1";
pub(super) const ADVANCE: &str =
    "UPDATE logs SET next_offset = ?1 WHERE log = ?2 AND next_offset IS ?3 AND superseded_at IS NULL";
pub(super) const POSITION: &str = "SELECT coalesce(next_offset, 0) FROM logs WHERE superseded_at IS NULL";
pub(super) const COUNT: &str = "
    UPDATE progress SET items = items + ?1, applied = applied + ?2, rejected = rejected + ?3,
        dead_lettered = dead_lettered + ?4, published = ?5, last_time = ?6, units = units + ?7, reserved = reserved + ?8";

pub(super) const IS_KNOWN: &str = "SELECT 1 FROM outcomes WHERE command_id = ?1";
pub(super) const FIND: &str = "
    SELECT number, reservation_id, store_id, customer_id, order_id, simple, status, created_at, expires_at, deadline_by,
        ended_at, version
    FROM reservations WHERE reservation_id = ?1";
/// Of an item that is not remembered.
pub(super) const ITEM: &str =
    "SELECT sku, version, deleted, price_minor, currency, low_stock_threshold FROM items WHERE item_id = ?1";
/// As [`ITEM`].
pub(super) const LEVELS: &str = "
    SELECT l.store_id, l.quantity, l.reserved, l.version, l.own_threshold, l.moved, m.jump
    FROM stock_levels l LEFT JOIN movements m ON m.sequence = l.moved WHERE l.item_id = ?1";

pub(super) const APPEND: &str = "
    INSERT INTO journal (sequence, stream, event_type, aggregate, aggregate_id, command_id, fact_index, log,
        log_offset, occurred_at, traceparent, message)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
pub(super) const INSERT: &str = "
    INSERT INTO reservations (number, reservation_id, store_id, customer_id, order_id, simple, status, created_at,
        expires_at, deadline_by, ended_at, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)";
pub(super) const INSERT_LINE: &str = "
    INSERT INTO reservation_lines (reservation, line, item_id, store_id, simple, quantity, confirmed, released)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(super) const UPDATE_LEVEL: &str = "
    UPDATE stock_levels SET quantity = ?3, reserved = ?4, version = ?5, updated_at = ?6, own_threshold = ?7,
        threshold = ?8, moved = ?9
    WHERE item_id = ?1 AND store_id = ?2 AND version = ?5 - 1";
/// Only when a level comes to be reserved, or is not any more.
pub(super) const MARK_LEVEL: &str = "
    UPDATE stock_levels SET quantity = ?3, reserved = ?4, version = ?5, updated_at = ?6, own_threshold = ?7,
        threshold = ?8, moved = ?9, is_low = ?10, is_reserved = ?11
    WHERE item_id = ?1 AND store_id = ?2 AND version = ?5 - 1";
pub(super) const JUMP: &str = "SELECT jump FROM movements WHERE sequence = ?1";
pub(super) const MOVE: &str = "
    INSERT INTO movements (sequence, occurred_at, type, item_id, store_id, quantity_change, reserved_change,
        quantity, reserved, version, previous, jump, reason, reference, actor, order_id, reservation_id, command_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
pub(super) const RECORD: &str = "
    INSERT INTO outcomes (command_id, status, type, aggregate, aggregate_id, version, sequence, applied_at, code,
        detail, dead_letter_id, idempotency_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

// Of reservations that end (rows `confirm`, `cancel`, `expire`).
pub(super) const BY_NUMBER: &str = "
    SELECT number, reservation_id, store_id, customer_id, order_id, simple, status, created_at, expires_at, deadline_by,
        ended_at, version
    FROM reservations WHERE number = ?1";
pub(super) const LINES: &str = "
    SELECT l.item_id, i.sku, l.quantity, l.confirmed, l.released
    FROM reservation_lines l JOIN items i USING (item_id) WHERE l.reservation = ?1 ORDER BY l.line";
pub(super) const DUE: &str = "
    SELECT number FROM reservations INDEXED BY reservations_due
    WHERE status = 'pending' AND expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
pub(super) const NEXT_DEADLINE: &str = "
    SELECT min(expires_at) FROM reservations INDEXED BY reservations_due
    WHERE status = 'pending' AND expires_at IS NOT NULL";
pub(super) const UPDATE: &str = "
    UPDATE reservations SET order_id = ?3, status = ?4, expires_at = ?5,
        deadline_by = coalesce(?6, deadline_by), ended_at = ?7, version = ?2
    WHERE reservation_id = ?1 AND version = ?2 - 1";
pub(super) const UPDATE_LINE: &str = "
    UPDATE reservation_lines SET confirmed = ?3, released = ?4
    WHERE reservation = (SELECT number FROM reservations WHERE reservation_id = ?1) AND line = ?2";

/// What both must have in the end: everything but ids, times and texts.
pub(super) const SUMS: [&str; 10] = [
    "SELECT count(*) FROM journal",
    "SELECT sum(sequence * length(event_type)) FROM journal",
    "SELECT sum(sequence) + 3 * sum(previous) + 5 * sum(jump) + 7 * sum(version) FROM movements",
    "SELECT sum(sequence * (quantity_change + 3 * reserved_change) + quantity + 5 * reserved) FROM movements",
    "SELECT sum(quantity) + 3 * sum(reserved) + 5 * sum(version) + 7 * sum(moved) FROM stock_levels",
    "SELECT sum(number) + 3 * sum(version) + 5 * sum(length(status)) + 7 * count(ended_at) FROM reservations",
    "SELECT sum(reservation) + 3 * sum(quantity) + 5 * sum(confirmed) + 7 * sum(released) FROM reservation_lines",
    "SELECT sum(sequence) + 3 * sum(version) + 5 * sum(length(type)) FROM outcomes",
    "SELECT applied + 3 * units + 5 * reserved FROM progress",
    "SELECT sum(next_offset) FROM logs",
];
/// How long the last messages are, by event type.
pub(super) const LENGTHS: &str = "
    SELECT event_type, sum(length(message)) / count(*)
    FROM (SELECT event_type, message FROM journal ORDER BY sequence DESC LIMIT 10000) GROUP BY 1";
