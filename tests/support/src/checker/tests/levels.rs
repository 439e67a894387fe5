//! Levels: never oversold, conserved, their versions without a gap, what is scarce told.

use super::*;

#[test]
fn an_oversell_in_the_middle_is_found_though_the_end_is_right() {
    let more = [set(5, "reservedQuantity", "11"), set(5, "reservedTotal", "11"), set(5, "availableQuantity", "-1")];
    let report = planted(&(more.concat() + &set(7, "releasedQuantity", "6")));
    assert_red(&report, "oversold", "sequence 5: A at main: 11 of 10 reserved");
    let report = planted(&set(10, "adjustment", "2000000000"));
    assert_red(&report, "oversold", "sequence 10: A at main: 5 of 2000000010 reserved");
    // More is issued than is on hand; it comes back as if counted.
    let report = planted(&(set(36, "issuedQuantity", "5") + &set(47, "releasedQuantity", "-1")));
    assert_red(&report, "oversold", "sequence 36: C at main: -2 of -1 reserved");
}

#[test]
fn a_skipped_version_is_found() {
    let version = |sequence: i64, version: &str| in_message(sequence, "aggregateVersion", version);
    assert_each_red(
        story::complete,
        "versions",
        &[
            (version(10, "5"), "version 5 follows 3"),
            (version(24, "3"), "C at north: version 3 follows 1"),
            (version(29, "3"), "version 3 follows 1"),
            (version(3, "2"), "store north: version 2 follows 0"),
            (version(41, "3"), "store main: version 3 follows 1"),
            // What repeats a step is none.
            (version(21, "1"), "C at main: tells version 1, it is at 2"),
            (version(23, "4"), "C at main: tells version 4, it is at 3"),
            (version(27, "4"), "C at north: tells version 4, it is at 3"),
            (version(28, "2"), "C at north: tells version 2, it is at 3"),
            (version(40, "5"), "C at north: tells version 5, it is at 4"),
            ("UPDATE items SET version = 9 WHERE sku = 'A'".to_owned(), "version 9 is stored"),
            ("UPDATE stock_levels SET version = 9 WHERE store_id = 'north'".to_owned(), "version 9 is stored"),
            ("UPDATE stores SET version = 9 WHERE store_id = 'main'".to_owned(), "store main: version 9 is stored"),
            ("UPDATE reservations SET version = 9 WHERE number = 59".to_owned(), "version 9 is stored"),
        ],
    );
}

#[test]
fn a_level_that_was_changed_behind_the_journal_is_found() {
    let report = planted("UPDATE stock_levels SET quantity = 9 WHERE moved = 60");
    assert_red(&report, "conservation", "changes add up to 7 on hand");
    assert_red(
        &report,
        "conservation",
        "in total: 19 initial, -2 adjusted, 1 counted, 0 transferred, 4 issued, 1 written off, but 15",
    );
    assert_red(&report, "rebuild", "level");
    assert_red(&planted("DELETE FROM stock_levels WHERE moved = 60"), "conservation", "stored are nothing");
    let report = planted("UPDATE stock_levels SET reserved = 4 WHERE moved = 60");
    assert_red(&report, "conservation", "4 are stored as reserved, pending reservations hold 3");
}

#[test]
fn the_ledger_adds_up_by_kind() {
    assert_each_red(
        story::complete,
        "conservation",
        &[
            (
                "UPDATE movements SET type = 'StockAdjusted' WHERE sequence = 22",
                "changes of kind StockCounted add up to 1",
            ),
            (
                "UPDATE movements SET quantity_change = 3 WHERE sequence = 20",
                "changes of kind StockTransferred add up to 2",
            ),
            ("UPDATE movements SET reserved_change = 3 WHERE sequence = 24", "changes of kind StockSettingsChanged"),
            (
                "DELETE FROM movements WHERE sequence = 34",
                "changes of kind StockIssued add up to -1 and -1 held, in the ledger to nothing",
            ),
            (
                "UPDATE movements SET store_id = 'north' WHERE sequence = 2",
                "at north: changes of kind StockAdjusted add up to nothing",
            ),
        ],
    );
}

#[test]
fn what_two_facts_say_of_one_change_must_agree() {
    assert_each_red(
        story::complete,
        "conservation",
        &[
            (set(20, "adjustment", "3"), "sequence 19: 2 legs of a transfer add up to 1"),
            (set(20, "adjustment", "3"), "sequence 21: the legs of the transfer add up to 1"),
            (set(20, "adjustment", "3"), "in total: 19 initial, -2 adjusted, 1 counted, 1 transferred"),
            (
                set(19, "adjustment", "2") + &set(20, "adjustment", "-2") + &set(21, "quantity", "-2"),
                "-2 units are told to be transferred",
            ),
            (set(21, "fromStoreId", "'south'"), "the transfer from south to north has other legs"),
            (set(21, "toStoreId", "'south'"), "the transfer from main to south has other legs"),
            (
                set(20, "storeId", "'main'") + &set(21, "toStoreId", "'main'"),
                "the transfer from main to main has other legs",
            ),
            (set(20, "reason", "'moved'"), "are for Some(\"transfer\") and Some(\"moved\")"),
            (in_message(23, "aggregateVersion", "4"), "the count is of"),
            (set(21, "quantity", "3"), "3 units are told to be transferred, the legs move 2"),
            (set(21, "toStoreId", "'main'"), "the transfer from main to main has other legs"),
            (set(21, "fromStoreId", "'north'") + &set(21, "toStoreId", "'main'"), "the transfer from north to main"),
            (set(19, "reason", "'moved'"), "are for Some(\"moved\") and Some(\"transfer\")"),
            (set(21, "reason", "'moved'"), "not Some(\"moved\")"),
            (
                retyped(10, "StockTransferred")
                    + &in_message(
                        10,
                        "data",
                        "json_set(message -> '$.data', '$.fromStoreId', 'main', '$.toStoreId', 'north', '$.quantity', 1)",
                    ),
                "a transfer of 0 legs",
            ),
            (
                retyped(10, "StockCounted") + &set(10, "countedQuantity", "8"),
                "a count with 0 changes of what is on hand",
            ),
            (set(23, "countedQuantity", "5"), "5 counted after 3, but 3 became 4"),
            (set(23, "previousQuantity", "4"), "4 counted after 4"),
            (set(23, "storeId", "'north'"), "the count is of"),
            (set(23, "reason", "NULL"), "the change is for Some(\"found one\"), the count for Some(\"count\")"),
            (set(2, "reason", "'mine'"), "another reason than \"initial\""),
            (set(15, "reason", "NULL"), "another reason than \"deleted\""),
        ],
    );
}

#[test]
fn a_fact_that_tells_wrong_numbers_is_found() {
    assert_each_red(
        story::complete,
        "conservation",
        &[
            (set(10, "previousQuantity", "3"), "it says 3 became 8"),
            (set(10, "newQuantity", "3"), "it says 10 became 3"),
            (set(10, "totalQuantity", "3"), "it tells"),
            (set(34, "reservedTotal", "3"), "sequence 34: A at main: 6 of 7 reserved, but it tells"),
            (set(35, "availableQuantity", "3"), "sequence 35: A at main"),
            (set(24, "totalQuantity", "3"), "sequence 24: C at north"),
            (set(23, "totalQuantity", "3"), "sequence 23: C at main"),
            (set(27, "availableQuantity", "3"), "sequence 27: C at north"),
            (set(28, "reservedTotal", "3"), "sequence 28: C at north"),
            (set(10, "adjustment", "0"), "StockAdjusted of no units"),
            (set(5, "reservedQuantity", "-8"), "StockReserved of no units"),
            (set(7, "releasedQuantity", "0"), "StockReleased of no units"),
            (set(34, "issuedQuantity", "-1"), "StockIssued of no units"),
        ],
    );
}

#[test]
fn reserved_is_the_sum_of_pending_reservations_between_any_two_commands() {
    // The third unit is in no level; at the end it is gone again.
    let more =
        set(30, "lines[0].quantity", "3") + &set(37, "lines[0].quantity", "3") + &set(37, "lines[0].released", "2");
    let report = planted(&more);
    assert_red(&report, "conservation", "7 reserved, pending reservations hold 8");
    assert_red(&report, "conservation", "after sequence 33");
    assert_red(&report, "conservation", "reservations tell Units { reserved: 3, issued: 0, released: 0 }");
    assert!(!report.to_string().contains("at the end"), "{report}");
}

#[test]
fn what_a_fact_says_must_be_of_something_that_is_there() {
    assert_each_red(
        story::complete,
        "rebuild",
        &[
            (set(24, "storeId", "'south'"), "a fact about store south, which does not exist"),
            (retyped(41, "StoreCreated"), "store main is created again"),
            (retyped(3, "StoreUpdated"), "store north does not exist"),
            (set(41, "active", "json('false')"), "store main is closed"),
            (set(34, "sku", "'C'"), "C is not the item's SKU"),
            (set(21, "sku", "'A'"), "A is not the item's SKU"),
            (set(30, "lines[0].sku", "'C'"), "C is not the item's SKU"),
            ("DELETE FROM journal WHERE sequence = 57".to_owned(), "which does not exist"),
            ("DELETE FROM journal WHERE sequence = 16".to_owned(), "B is created again"),
        ],
    );
}

#[test]
fn a_crossed_edge_is_told_once_and_no_other_is() {
    let gone = |sequence: i64| format!("DELETE FROM journal WHERE sequence = {sequence}");
    assert_each_red(
        story::complete,
        "edges",
        &[
            (gone(6), "LowStock of"),
            (gone(27), "sequence 28: StockDepleted of"),
            (gone(33), "LowStock of"),
            (gone(40), "sequence 39: StockReplenished of"),
            (gone(43), "sequence 42: LowStock of"),
            (gone(49), "StockReplenished of"),
            (retyped(28, "StockDepleted"), "sequence 28: StockDepleted of C at north is told, and nothing crossed it"),
            (retyped(40, "StockDepleted"), "sequence 40: StockDepleted of C at north is told"),
            (retyped(27, "StockReplenished"), "sequence 27: StockReplenished of C at north is told"),
            (set(28, "threshold", "2"), "LowStock of C at north tells Some(2), the threshold is Some(1)"),
            // The level's own threshold counts, and only what is available.
            (set(24, "lowStockThreshold", "2"), "sequence 24: LowStock of"),
            (set(42, "lowStockThreshold", "NULL"), "sequence 43: LowStock of C at main is told"),
            (set(42, "lowStockThreshold", "0"), "sequence 43: LowStock of C at main is told"),
            (set(1, "lowStockThreshold", "3"), "sequence 10: LowStock of"),
        ],
    );
    // What is low already is not told again, and a new item is not depleted.
    let still_low = set(1, "lowStockThreshold", "7") + "UPDATE items SET low_stock_threshold = 7 WHERE sku = 'A'";
    assert_red(&planted(&still_low), "edges", "sequence 33: LowStock of A at main is told");
}
