//! Every column of every table that the journal gives.

use super::*;

/// Sets each column of one row in turn to something else.
#[track_caller]
fn assert_each_column_red(table: &str, row: &str, what: &str, columns: &[&str]) {
    for column in columns {
        let sql = format!("UPDATE {table} SET {column} WHERE {row}");
        let report = planted(&sql);
        let found = report.violations().any(|(kind, text)| kind == "rebuild" && text.starts_with(what));
        assert!(found, "{sql}\nno {what} in\n{report}");
    }
}

#[test]
fn items_are_what_the_journal_says() {
    assert_each_column_red(
        "items",
        "sku = 'A'",
        "item",
        &[
            "sku = 'Z'",
            "name = 'Other'",
            "description = NULL",
            "category = 'other'",
            "price_minor = 1",
            "currency = 'USD'",
            "low_stock_threshold = NULL",
            "deleted = 1",
            "created_at = 0",
            "updated_at = 0",
        ],
    );
    assert_each_column_red("item_lives", "created = 12", "life", &["created = 13", "deleted = NULL", "deleted = 17"]);
    assert_each_red(
        story::complete,
        "rebuild",
        &[
            ("DELETE FROM item_lives WHERE created = 57", "life"),
            ("DELETE FROM item_terms", "search terms"),
            ("UPDATE item_terms SET term = 'bb' WHERE term = 'b'", "search terms"),
        ],
    );
}

#[test]
fn levels_are_what_the_journal_says() {
    assert_each_column_red(
        "stock_levels",
        "moved = 39",
        "level",
        &[
            "quantity = 3",
            "reserved = 1",
            "version = 5",
            "updated_at = 0",
            "own_threshold = NULL",
            "threshold = 2",
            "threshold = NULL",
            "moved = 26",
        ],
    );
}

#[test]
fn movements_are_what_the_journal_says() {
    assert_each_column_red(
        "movements",
        "sequence = 35",
        "movement 35",
        &[
            "occurred_at = 0",
            "type = 'StockIssued'",
            "item_id = zeroblob(16)",
            "store_id = 'north'",
            "quantity_change = 1",
            "reserved_change = 1",
            "quantity = 9",
            "reserved = 4",
            "version = 9",
            "previous = 31",
            "previous = NULL",
            "jump = 31",
            "jump = NULL",
            "reason = 'other'",
            "reference = 'other'",
            "actor = 'other'",
            "order_id = NULL",
            "reservation_id = NULL",
            "command_id = NULL",
        ],
    );
    assert_each_column_red("movements", "sequence = 2", "movement 2", &["previous = 1", "jump = 2", "reason = NULL"]);
    assert_each_column_red("movements", "sequence = 10", "movement 10", &["reference = NULL", "order_id = 'o-1'"]);
    assert_each_column_red(
        "movements",
        "sequence = 39",
        "movement 39",
        &["actor = 'tester'", "command_id = zeroblob(16)"],
    );
    assert_each_red(
        story::complete,
        "rebuild",
        &[
            ("DELETE FROM movements WHERE sequence = 24", "movement 24 is in the journal and not stored"),
            ("UPDATE movements SET sequence = 23 WHERE sequence = 22", "movement 23 is stored and not in the journal"),
        ],
    );
    let other = "UPDATE movements SET actor = 'tester' WHERE sequence = 3";
    assert_red(&story::migrated().plant(other).check(), "rebuild", "movement 3 is stored");
}

#[test]
fn stores_are_what_the_journal_says() {
    let columns =
        ["name = 'Other'", "location = 'Here'", "active = 0", "version = 2", "created_at = 0", "updated_at = 0"];
    assert_each_column_red("stores", "store_id = 'north'", "store \"north\"", &columns);
    assert_each_column_red("stores", "store_id = 'main'", "store \"main\"", &["name = 'Main'", "updated_at = 0"]);
    assert_red(&planted("DELETE FROM stores WHERE store_id = 'main'"), "rebuild", "store \"main\"");
    planted("UPDATE stores SET created_at = 77 WHERE store_id = 'main'").assert_clean();
}

#[test]
fn reservations_are_what_the_journal_says() {
    assert_each_column_red(
        "reservations",
        "number = 25",
        "reservation",
        &[
            "reservation_id = zeroblob(16)",
            "store_id = 'main'",
            "customer_id = NULL",
            "order_id = NULL",
            "simple = 1",
            "status = 'released'",
            "created_at = 0",
            "expires_at = 74000",
            "deadline_by = zeroblob(16)",
            // That of the creation, which another fact has taken the place of.
            "deadline_by = (SELECT deadline_by FROM reservations WHERE number = 30)",
            "ended_at = 0",
            "ended_at = NULL",
            "version = 2",
        ],
    );
    assert_each_column_red(
        "reservation_lines",
        "reservation = 30 AND line = 0",
        "reservation",
        &[
            "reservation = 44, line = 5",
            "line = 2",
            "item_id = zeroblob(16)",
            "store_id = 'north'",
            "simple = 1",
            "quantity = 3",
            "confirmed = 0",
            "released = 0",
        ],
    );
    assert_each_red(
        story::complete,
        "rebuild",
        &[
            ("DELETE FROM reservation_lines WHERE reservation = 30 AND line = 1", "reservation"),
            (
                "UPDATE reservations SET number = 26 WHERE number = 25;
             UPDATE reservation_lines SET reservation = 26 WHERE reservation = 25",
                "reservation",
            ),
            (
                "DELETE FROM reservation_lines WHERE reservation = 59; DELETE FROM reservations WHERE number = 59",
                "reservation",
            ),
        ],
    );
}

#[test]
fn sums_and_counters_are_what_the_journal_says() {
    assert_each_red(
        story::complete,
        "rebuild",
        &[
            ("UPDATE stock_value SET amount_minor = '5051' WHERE currency = 'EUR'", "stock value in \"EUR\""),
            ("UPDATE stock_value SET amount_minor = '05050' WHERE currency = 'EUR'", "stock value in \"EUR\""),
            ("UPDATE stock_value SET amount_minor = '1' WHERE currency = 'JPY'", "stock value in \"JPY\""),
            ("DELETE FROM stock_value WHERE currency = 'USD'", "stock value in \"USD\""),
            ("UPDATE progress SET items = 4", "progress.items is 4, counted are 3"),
            ("UPDATE progress SET applied = 8", "progress.applied is 8, counted are 25"),
            ("UPDATE progress SET rejected = 8", "progress.rejected is 8, counted are 2"),
            ("UPDATE progress SET dead_lettered = 8", "progress.dead_lettered is 8, counted are 1"),
            ("UPDATE progress SET units = 14", "progress.units is 14, counted are 13"),
            ("UPDATE progress SET reserved = 2", "progress.reserved is 2, counted are 3"),
        ],
    );
    assert_red(&planted("UPDATE progress SET published = 99"), "position", "the journal ends at 61");
    planted("DELETE FROM stock_value WHERE currency = 'JPY'").assert_clean();
}

#[test]
fn the_full_text_index_has_the_live_items_as_they_are() {
    let old = "DELETE FROM item_search WHERE rowid = 3;
               INSERT INTO item_search (rowid, sku, name) VALUES (3, 'C', 'C-3 old');";
    assert_each_red(
        story::complete,
        "rebuild",
        &[
            (old, "the full-text index has \"old\" of C"),
            (old, "the full-text index does not have \"große\" of C"),
            ("DELETE FROM item_search WHERE rowid = 2", "the full-text index has 2 rows for 3 live items"),
            ("DELETE FROM item_search WHERE rowid = 2", "does not have \"again\" of B"),
            ("INSERT INTO item_search (rowid, sku) VALUES (9, 'X')", "the full-text index has 4 rows for 3 live items"),
            ("INSERT INTO item_search (rowid, sku) VALUES (9, 'X')", "has \"x\" of 9"),
            ("UPDATE items SET number = 9 WHERE sku = 'B'", "does not have \"again\" of B"),
        ],
    );
}
