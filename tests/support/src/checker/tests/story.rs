//! A small history that has every type of fact in it, and the tables as they are after it, worked out by hand.

use shared::aggregate::AggregateId;
use shared::id::{EventId, ReservationId};
use shared::message::{Fact, ItemDetails, ReservationAfter, StoreDetails};
use shared::reservation::ReservationStatus;

use super::fixture::*;

const A: (&str, &str) = ("A", "main");
const B: (&str, &str) = ("B", "main");
const C: (&str, &str) = ("C", "main");
const C_NORTH: (&str, &str) = ("C", "north");

pub(super) fn of_item(sku: &str) -> AggregateId {
    AggregateId::Item(item(sku))
}

fn held(id: ReservationId) -> AggregateId {
    AggregateId::Reservation(id)
}

fn the_store(id: &str, name: &str) -> Fact {
    let details = StoreDetails { store_id: store(id), name: text(name).expect("a name"), location: None, active: true };
    if id == "main" { Fact::StoreUpdated(details) } else { Fact::StoreCreated(details) }
}

fn north(held: ReservationAfter) -> ReservationAfter {
    ReservationAfter { store_id: store("north"), ..held }
}

fn low(at: (&str, &str), total: i64, reserved: i64, threshold: i64) -> Fact {
    Fact::LowStock { level: level(at, total, reserved), threshold }
}

/// Three items at two stores; sold from, reserved, moved, counted, deleted and created again.
pub(super) fn complete() -> Fixture {
    let mut fixture = Fixture::empty();
    items_and_simple_reservations(&mut fixture);
    stores_and_counts(&mut fixture);
    buyers(&mut fixture);
    edges(&mut fixture);
    oldest_first(&mut fixture);
    tables(&fixture);
    movements(&fixture);
    reservations(&fixture);
    fixture.done()
}

/// Sequences 1 to 16.
fn items_and_simple_reservations(fixture: &mut Fixture) {
    let (a, b, first) = (of_item("A"), of_item("B"), ReservationId::of(command(3)));
    let created = Fact::ItemCreated(ItemDetails {
        category: text("cables"),
        description: text("Two metres"),
        ..details("A", "A cable", Some((250, "EUR")), Some(2))
    });
    fixture.command(
        1,
        1000,
        "ItemCreationRequested",
        &a,
        &[(1, created), (1, adjusted(A, 10, (10, 0), "initial", ""))],
    );
    let north = AggregateId::Store(store("north"));
    fixture.command(2, 2000, "StoreCreationRequested", &north, &[(1, the_store("north", "North"))]);
    fixture.command(
        3,
        3000,
        "StockReservationRequested",
        &a,
        &[
            (1, Fact::ReservationCreated(simple(first, 3000, &[("A", 8, 0, 0)]))),
            (2, reserved(A, 8, (10, 8), first, "")),
            (2, low(A, 10, 8, 2)),
        ],
    );
    fixture.command(
        4,
        4000,
        "StockReleaseRequested",
        &a,
        &[
            (3, released(A, 3, (10, 5), Some(first), "")),
            (2, Fact::ReservationReleased(simple(first, 3000, &[("A", 8, 0, 3)]))),
        ],
    );
    fixture.poison(4500);
    fixture.command(5, 5000, "StockAdjustmentRequested", &a, &[(4, adjusted(A, -2, (8, 5), "broken", "T-1"))]);
    let rejected = Fact::CommandRejected {
        of: a.clone(),
        request_type: "StockReservationRequested",
        code: "INSUFFICIENT_STOCK",
        detail: "3 available, 4 requested".to_owned(),
    };
    fixture.command(6, 6000, "StockReservationRequested", &a, &[(4, rejected)]);
    let created = Fact::ItemCreated(details("B", "A plug", None, None));
    fixture.command(7, 7000, "ItemCreationRequested", &b, &[(1, created), (1, adjusted(B, 1, (1, 0), "initial", ""))]);
    let updated = Fact::ItemUpdated(details("B", "B plug", None, None));
    fixture.command(8, 8000, "ItemUpdateRequested", &b, &[(2, updated)]);
    let deleted = Fact::ItemDeleted { item_id: item("B"), sku: sku("B") };
    fixture.command(9, 9000, "ItemDeletionRequested", &b, &[(2, adjusted(B, -1, (0, 0), "deleted", "")), (3, deleted)]);
}

/// Sequences 17 to 24.
fn stores_and_counts(fixture: &mut Fixture) {
    let c = of_item("C");
    let created = Fact::ItemCreated(details("C", "C-3 Größe", Some((1000, "EUR")), None));
    fixture.command(
        10,
        10_000,
        "ItemCreationRequested",
        &c,
        &[(1, created), (1, adjusted(C, 5, (5, 0), "initial", ""))],
    );
    let transferred = Fact::StockTransferred {
        item_id: item("C"),
        sku: sku("C"),
        from_store_id: store("main"),
        to_store_id: store("north"),
        quantity: 2,
        reason: None,
    };
    fixture.command(
        11,
        11_000,
        "StockTransferRequested",
        &c,
        &[
            (2, adjusted(C, -2, (3, 0), "transfer", "")),
            (1, adjusted(C_NORTH, 2, (2, 0), "transfer", "")),
            (2, transferred),
        ],
    );
    let counted = Fact::StockCounted {
        level: level(C, 4, 0),
        counted_quantity: 4,
        previous_quantity: 3,
        reason: text("found one"),
    };
    fixture.command(
        12,
        12_000,
        "StockCountRequested",
        &c,
        &[(3, adjusted(C, 1, (4, 0), "found one", "")), (3, counted)],
    );
    let low_stock_threshold = Some(shared::quantity::Quantity::parse(1).expect("valid"));
    let settings = Fact::StockSettingsChanged { level: level(C_NORTH, 2, 0), low_stock_threshold };
    fixture.command(13, 13_000, "StockSettingsRequested", &c, &[(2, settings)]);
}

/// Sequences 25 to 40: one buyer takes too long, the other one pays.
fn buyers(fixture: &mut Fixture) {
    let (late, paid) = (chosen(2), chosen(3));
    let of_late = |deadline, released| north(until(deadline, "o-1", simple(late, 14_000, &[("C", 2, 0, released)])));
    fixture.command(
        14,
        14_000,
        "ReservationRequested",
        &held(late),
        &[
            (1, Fact::ReservationCreated(of_late(74_000, 0))),
            (3, reserved(C_NORTH, 2, (2, 2), late, "o-1")),
            (3, Fact::StockDepleted { level: level(C_NORTH, 2, 2) }),
            (3, low(C_NORTH, 2, 2, 1)),
        ],
    );
    let extended = Fact::ReservationExtended(of_late(20_000, 0));
    fixture.command(15, 15_000, "ReservationExtensionRequested", &held(late), &[(2, extended)]);
    let of_paid = |order, lines| until(616_000, order, simple(paid, 16_000, lines));
    fixture.command(
        16,
        16_000,
        "ReservationRequested",
        &held(paid),
        &[
            (1, Fact::ReservationCreated(of_paid("", &[("A", 2, 0, 0), ("C", 3, 0, 0)]))),
            (5, reserved(A, 2, (8, 7), paid, "")),
            (4, reserved(C, 3, (4, 3), paid, "")),
            (5, low(A, 8, 7, 2)),
        ],
    );
    let confirmed = of_paid("o-2", &[("A", 2, 1, 1), ("C", 3, 3, 0)]);
    fixture.command(
        17,
        17_000,
        "ReservationConfirmationRequested",
        &held(paid),
        &[
            (6, issued(A, 1, (7, 6), paid, "o-2")),
            (7, released(A, 1, (7, 5), Some(paid), "o-2")),
            (5, issued(C, 3, (1, 0), paid, "o-2")),
            (2, Fact::ReservationConfirmed(ended(ReservationStatus::Confirmed, 17_000, confirmed))),
        ],
    );
    let expired = Fact::ReservationExpired(ended(ReservationStatus::Expired, 20_000, of_late(20_000, 2)));
    fixture.expiry(
        late,
        EventId::of_fact(command(15), 0),
        20_000,
        &[
            (3, expired),
            (4, released(C_NORTH, 2, (2, 0), Some(late), "o-1")),
            (4, Fact::StockReplenished { level: level(C_NORTH, 2, 0) }),
        ],
    );
}

/// Sequences 41 to 49: a threshold rises over what is available; all is taken, and given back.
fn edges(fixture: &mut Fixture) {
    let (c, cancelled) = (of_item("C"), chosen(4));
    let main = AggregateId::Store(store("main"));
    fixture.command(19, 21_000, "StoreUpdateRequested", &main, &[(2, the_store("main", "Main street"))]);
    let updated = Fact::ItemUpdated(details("C", "C-3 Größe", Some((1100, "EUR")), Some(1)));
    fixture.command(20, 22_000, "ItemUpdateRequested", &c, &[(2, updated), (5, low(C, 1, 0, 1))]);
    let of_cancelled = |released| until(33_000, "", simple(cancelled, 23_000, &[("C", 1, 0, released)]));
    fixture.command(
        21,
        23_000,
        "ReservationRequested",
        &held(cancelled),
        &[
            (1, Fact::ReservationCreated(of_cancelled(0))),
            (6, reserved(C, 1, (1, 1), cancelled, "")),
            (6, Fact::StockDepleted { level: level(C, 1, 1) }),
        ],
    );
    fixture.command(
        22,
        24_000,
        "ReservationReleaseRequested",
        &held(cancelled),
        &[
            (7, released(C, 1, (1, 0), Some(cancelled), "")),
            (2, Fact::ReservationReleased(ended(ReservationStatus::Released, 24_000, of_cancelled(1)))),
            (7, Fact::StockReplenished { level: level(C, 1, 0) }),
        ],
    );
}

/// Sequences 50 to 61: a simple release takes from two; two reservations are pending at the end.
fn oldest_first(fixture: &mut Fixture) {
    let (a, b) = (of_item("A"), of_item("B"));
    let [first, second, third] = [3, 23, 25].map(|number| ReservationId::of(command(number)));
    fixture.command(
        23,
        25_000,
        "StockReservationRequested",
        &a,
        &[
            (1, Fact::ReservationCreated(simple(second, 25_000, &[("A", 1, 0, 0)]))),
            (8, reserved(A, 1, (7, 6), second, "")),
        ],
    );
    let gone = |id, made, units| {
        let after = ended(ReservationStatus::Released, 26_000, simple(id, made, &[("A", units, 0, units)]));
        Fact::ReservationReleased(after)
    };
    fixture.command(
        24,
        26_000,
        "StockReleaseRequested",
        &a,
        &[(9, released(A, 6, (7, 0), None, "")), (3, gone(first, 3000, 8)), (2, gone(second, 25_000, 1))],
    );
    fixture.command(
        25,
        27_000,
        "StockReservationRequested",
        &a,
        &[
            (1, Fact::ReservationCreated(simple(third, 27_000, &[("A", 2, 0, 0)]))),
            (10, reserved(A, 2, (7, 2), third, "")),
        ],
    );
    let created = Fact::ItemCreated(details("B", "B again", Some((300, "USD")), None));
    fixture.command(
        26,
        28_000,
        "ItemCreationRequested",
        &b,
        &[(4, created), (3, adjusted(B, 3, (3, 0), "initial", ""))],
    );
    let waiting = until(129_000, "", simple(chosen(7), 29_000, &[("A", 1, 0, 0)]));
    fixture.command(
        27,
        29_000,
        "ReservationRequested",
        &held(chosen(7)),
        &[(1, Fact::ReservationCreated(waiting)), (11, reserved(A, 1, (7, 3), chosen(7), ""))],
    );
    let north = AggregateId::Store(store("north"));
    let rejected = Fact::CommandRejected {
        of: north.clone(),
        request_type: "StoreCreationRequested",
        code: "STORE_EXISTS",
        detail: "store north exists".to_owned(),
    };
    fixture.command(28, 29_000, "StoreCreationRequested", &north, &[(1, rejected)]);
}

fn tables(fixture: &Fixture) {
    let [a, b, c] = ["A", "B", "C"].map(|sku| hex(item(sku).uuid()));
    let rows = format!(
        "INSERT INTO items (item_id, sku, name, description, category, price_minor, currency, low_stock_threshold,
             number, version, deleted, created_at, updated_at) VALUES
             ({a}, 'A', 'A cable', 'Two metres', 'cables', 250, 'EUR', 2, 1, 1, 0, 1000, 1000),
             ({b}, 'B', 'B again', NULL, NULL, 300, 'USD', NULL, 2, 4, 0, 28000, 28000),
             ({c}, 'C', 'C-3 Größe', NULL, NULL, 1100, 'EUR', 1, 3, 2, 0, 10000, 22000);
         INSERT INTO item_search (rowid, sku, name, description)
             SELECT number, sku, name, description FROM items;
         INSERT INTO item_lives VALUES ({a}, 1, NULL), ({b}, 12, 16), ({b}, 57, NULL), ({c}, 17, NULL);
         INSERT INTO stores VALUES ('north', 'North', NULL, 1, 1, 2000, 2000);
         UPDATE stores SET name = 'Main street', version = 2, updated_at = 21000 WHERE store_id = 'main';
         INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at, own_threshold, threshold,
             moved, is_low, is_reserved) VALUES
             ({a}, 'main', 7, 3, 11, 29000, NULL, 2, 60, 0, 1),
             ({b}, 'main', 3, 0, 3, 28000, NULL, NULL, 58, 0, 0),
             ({c}, 'main', 1, 0, 7, 24000, NULL, 1, 47, 1, 0),
             ({c}, 'north', 2, 0, 4, 20000, 1, 1, 39, 0, 0);
         INSERT INTO item_terms (item_id, term) VALUES ({a}, 'a'), ({a}, 'a cable'), ({a}, 'cable'),
             ({b}, 'b'), ({b}, 'b again'), ({b}, 'again'), ({c}, 'c'), ({c}, 'c-3 größe'), ({c}, '3 größe'), ({c}, 'größe');
         INSERT INTO stock_value VALUES ('EUR', '5050'), ('USD', '900'), ('JPY', '0');
         UPDATE logs SET next_offset = 60;
         UPDATE progress SET items = 3, applied = 25, rejected = 2, dead_lettered = 1, last_time = 29000, units = 13,
             reserved = 3;"
    );
    fixture.connection.execute_batch(&rows).expect("the tables");
}

fn reservations(fixture: &Fixture) {
    let [a, c] = ["A", "C"].map(|sku| hex(item(sku).uuid()));
    let [first, second, third] = [3, 23, 25].map(|number| hex(ReservationId::of(command(number)).uuid()));
    let [late, paid, cancelled, waiting] = [2, 3, 4, 7].map(|number| hex(chosen(number).uuid()));
    let by = |number: u128| hex(EventId::of_fact(command(number), 0).uuid());
    let (extended, of_paid, of_cancelled, of_waiting) = (by(15), by(16), by(21), by(27));
    let rows = format!(
        "INSERT INTO reservations (number, reservation_id, store_id, customer_id, order_id, simple, status, created_at,
             expires_at, deadline_by, ended_at, version) VALUES
             (4, {first}, 'main', NULL, NULL, 1, 'released', 3000, NULL, NULL, 26000, 3),
             (25, {late}, 'north', 'buyer', 'o-1', 0, 'expired', 14000, 20000, {extended}, 20000, 3),
             (30, {paid}, 'main', 'buyer', 'o-2', 0, 'confirmed', 16000, 616000, {of_paid}, 17000, 2),
             (44, {cancelled}, 'main', 'buyer', NULL, 0, 'released', 23000, 33000, {of_cancelled}, 24000, 2),
             (50, {second}, 'main', NULL, NULL, 1, 'released', 25000, NULL, NULL, 26000, 2),
             (55, {third}, 'main', NULL, NULL, 1, 'pending', 27000, NULL, NULL, NULL, 1),
             (59, {waiting}, 'main', 'buyer', NULL, 0, 'pending', 29000, 129000, {of_waiting}, NULL, 1);
         INSERT INTO reservation_lines (reservation, line, item_id, store_id, simple, quantity, confirmed, released) VALUES
             (4, 0, {a}, 'main', 1, 8, 0, 8), (25, 0, {c}, 'north', 0, 2, 0, 2),
             (30, 0, {a}, 'main', 0, 2, 1, 1), (30, 1, {c}, 'main', 0, 3, 3, 0),
             (44, 0, {c}, 'main', 0, 1, 0, 1), (50, 0, {a}, 'main', 1, 1, 0, 1),
             (55, 0, {a}, 'main', 1, 2, 0, 0), (59, 0, {a}, 'main', 0, 1, 0, 0);"
    );
    fixture.connection.execute_batch(&rows).expect("the reservations");
}

/// Sequence and time; type; level; units; version, previous, jump (0: none); why; reservation; command (0: none).
type Row = (
    (i64, i64),
    &'static str,
    (&'static str, &'static str),
    [i64; 4],
    (i64, i64, i64),
    (&'static str, &'static str, &'static str),
    Option<ReservationId>,
    u128,
);

fn movements(fixture: &Fixture) {
    const ADJUSTED: &str = "StockAdjusted";
    const RESERVED: &str = "StockReserved";
    const RELEASED: &str = "StockReleased";
    const ISSUED: &str = "StockIssued";
    const NONE: (&str, &str, &str) = ("", "", "");
    let [first, second, third] = [3, 23, 25].map(|number| Some(ReservationId::of(command(number))));
    let [late, paid, cancelled, waiting] = [2, 3, 4, 7].map(|number| Some(chosen(number)));
    let (initial, moved, order) = (("initial", "", ""), ("transfer", "", ""), ("", "", "o-2"));
    let rows: [Row; 22] = [
        ((2, 1000), ADJUSTED, A, [10, 0, 10, 0], (1, 0, 0), initial, None, 1),
        ((5, 3000), RESERVED, A, [0, 8, 10, 8], (2, 2, 2), NONE, first, 3),
        ((7, 4000), RELEASED, A, [0, -3, 10, 5], (3, 5, 5), NONE, first, 4),
        ((10, 5000), ADJUSTED, A, [-2, 0, 8, 5], (4, 7, 2), ("broken", "T-1", ""), None, 5),
        ((31, 16_000), RESERVED, A, [0, 2, 8, 7], (5, 10, 10), NONE, paid, 16),
        ((34, 17_000), ISSUED, A, [-1, -1, 7, 6], (6, 31, 31), order, paid, 17),
        ((35, 17_000), RELEASED, A, [0, -1, 7, 5], (7, 34, 10), order, paid, 17),
        ((51, 25_000), RESERVED, A, [0, 1, 7, 6], (8, 35, 2), NONE, second, 23),
        ((52, 26_000), RELEASED, A, [0, -6, 7, 0], (9, 51, 51), NONE, None, 24),
        ((56, 27_000), RESERVED, A, [0, 2, 7, 2], (10, 52, 52), NONE, third, 25),
        ((60, 29_000), RESERVED, A, [0, 1, 7, 3], (11, 56, 51), NONE, waiting, 27),
        ((13, 7000), ADJUSTED, B, [1, 0, 1, 0], (1, 0, 0), initial, None, 7),
        ((15, 9000), ADJUSTED, B, [-1, 0, 0, 0], (2, 13, 13), ("deleted", "", ""), None, 9),
        ((58, 28_000), ADJUSTED, B, [3, 0, 3, 0], (3, 15, 15), initial, None, 26),
        ((18, 10_000), ADJUSTED, C, [5, 0, 5, 0], (1, 0, 0), initial, None, 10),
        ((19, 11_000), "StockTransferred", C, [-2, 0, 3, 0], (2, 18, 18), moved, None, 11),
        ((22, 12_000), "StockCounted", C, [1, 0, 4, 0], (3, 19, 19), ("found one", "", ""), None, 12),
        ((32, 16_000), RESERVED, C, [0, 3, 4, 3], (4, 22, 18), NONE, paid, 16),
        ((36, 17_000), ISSUED, C, [-3, -3, 1, 0], (5, 32, 32), order, paid, 17),
        ((45, 23_000), RESERVED, C, [0, 1, 1, 1], (6, 36, 36), NONE, cancelled, 21),
        ((47, 24_000), RELEASED, C, [0, -1, 1, 0], (7, 45, 32), NONE, cancelled, 22),
        ((20, 11_000), "StockTransferred", C_NORTH, [2, 0, 2, 0], (1, 0, 0), moved, None, 11),
    ];
    let more: [Row; 3] = [
        ((24, 13_000), "StockSettingsChanged", C_NORTH, [0, 0, 2, 0], (2, 20, 20), NONE, None, 13),
        ((26, 14_000), RESERVED, C_NORTH, [0, 2, 2, 2], (3, 24, 24), ("", "", "o-1"), late, 14),
        ((39, 20_000), RELEASED, C_NORTH, [0, -2, 2, 0], (4, 26, 20), ("", "", "o-1"), late, 0),
    ];
    for ((sequence, at), kind, level, units, (version, previous, jump), why, held_by, by) in
        rows.into_iter().chain(more)
    {
        let some = |sequence: i64| Some(sequence).filter(|&sequence| sequence > 0);
        let (chain, by) = ((version, some(previous), some(jump)), Some(by).filter(|&by| by > 0));
        fixture.movement(&Moved { sequence, at, kind, level, units, chain, why, held_by, by });
    }
}

/// A journal that was begun before there were reservations, migrated, and gone on with. Five units of A were reserved.
pub(super) fn migrated() -> Fixture {
    let mut fixture = Fixture::empty();
    let a = of_item("A");
    let (nobodys, hold) = (ReservationId::of(command(2)), ReservationId::of_opening(item("A"), &store("main")));
    fixture.is_old = true;
    let created = Fact::ItemCreated(details("A", "A cable", None, None));
    fixture.command(
        1,
        1000,
        "ItemCreationRequested",
        &a,
        &[(1, created), (1, adjusted(A, 10, (10, 0), "initial", ""))],
    );
    fixture.command(2, 2000, "StockReservationRequested", &a, &[(2, reserved(A, 8, (10, 8), nobodys, ""))]);
    fixture.command(3, 3000, "StockReleaseRequested", &a, &[(3, released(A, 3, (10, 5), None, ""))]);
    let chain = |version, previous, jump| (version, Some(previous), Some(jump));
    let row = |sequence, at, kind, units, chain, why, held_by, by| {
        let row = Moved { sequence, at, kind, level: A, units, chain, why, held_by, by: Some(by) };
        fixture.movement(&row);
    };
    let none = ("", "", "");
    row(2, 1000, "StockAdjusted", [10, 0, 10, 0], (1, None, None), ("initial", "", ""), None, 1);
    row(3, 2000, "StockReserved", [0, 8, 10, 8], chain(2, 2, 2), none, Some(nobodys), 2);
    row(4, 3000, "StockReleased", [0, -3, 10, 5], chain(3, 3, 3), none, None, 3);
    fixture.is_old = false;
    fixture.opening(hold, 4000, &Fact::ReservationCreated(simple(hold, 4000, &[("A", 5, 0, 0)])));
    fixture.command(
        4,
        5000,
        "StockReleaseRequested",
        &a,
        &[
            (4, released(A, 2, (10, 3), Some(hold), "")),
            (2, Fact::ReservationReleased(simple(hold, 4000, &[("A", 5, 0, 2)]))),
        ],
    );
    let (sequence, units, chain) = (6, [0, -2, 10, 3], chain(4, 4, 2));
    let (kind, held_by, by) = ("StockReleased", Some(hold), Some(4));
    fixture.movement(&Moved { sequence, at: 5000, kind, level: A, units, chain, why: none, held_by, by });
    let (id, hold) = (hex(item("A").uuid()), hex(hold.uuid()));
    let rows = format!(
        "INSERT INTO items (item_id, sku, name, number, version, created_at, updated_at)
             VALUES ({id}, 'A', 'A cable', 1, 1, 1000, 1000);
         INSERT INTO item_search (rowid, sku, name) VALUES (1, 'A', 'A cable');
         INSERT INTO item_terms (item_id, term) VALUES ({id}, 'a'), ({id}, 'a cable'), ({id}, 'cable');
         INSERT INTO item_lives VALUES ({id}, 1, NULL);
         INSERT INTO stock_levels (item_id, store_id, quantity, reserved, version, updated_at, moved,
             is_reserved) VALUES ({id}, 'main', 10, 3, 4, 5000, 6, 1);
         INSERT INTO reservations (number, reservation_id, store_id, simple, status, created_at, version)
             VALUES (5, {hold}, 'main', 1, 'pending', 4000, 2);
         INSERT INTO reservation_lines VALUES (5, 0, {id}, 'main', 1, 5, 0, 2);
         UPDATE logs SET next_offset = 9;
         UPDATE progress SET items = 1, applied = 4, last_time = 5000, units = 10, reserved = 3;"
    );
    fixture.connection.execute_batch(&rows).expect("the tables");
    fixture.done()
}
