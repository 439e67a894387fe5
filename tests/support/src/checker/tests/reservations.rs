//! Reservations: pending, then one end, by what the levels tell.

use super::fixture::{chosen, command, item};
use super::*;
use shared::id::ReservationId;

#[test]
fn a_reservation_begins_pending_with_what_it_holds() {
    let a = format!("'{}'", item("A"));
    assert_each_red(
        story::complete,
        "reservations",
        &[
            (set(30, "lines[1].itemId", &a), "has 2 lines of 1 items"),
            (set(30, "lines", "json('[]')"), "has 0 lines"),
            (set(30, "lines[0].released", "1"), "begins with other lines"),
            (set(30, "lines[0].confirmed", "1"), "begins with other lines"),
            (set(30, "lines[0].quantity", "0"), "begins with other lines"),
            (set(30, "status", "'released'"), "does not begin pending"),
            (set(30, "endedAt", &time(16)), "does not begin pending"),
            (set(30, "createdAt", &time(15)), "does not begin pending and now"),
            (set(4, "expiresAt", &time(60)), "is simple and begins with a deadline"),
            (set(44, "expiresAt", "NULL"), "begins without a deadline"),
            (set(44, "expiresAt", &time(23)), "has a deadline in 0 ms"),
            (set(44, "expiresAt", "'1970-01-01T00:00:33.500Z'"), "has a deadline in 10500 ms"),
            (set(44, "expiresAt", "'1970-01-02T00:00:24.000Z'"), "has a deadline in 86401000 ms"),
            (set(4, "customerId", "'buyer'"), "that somebody chose"),
            (set(30, "simple", "json('true')") + &set(30, "expiresAt", "NULL"), "that somebody chose"),
            (set(4, "orderId", "'o-1'"), "that somebody chose"),
            (
                set(4, "lines[1]", "(SELECT message -> '$.data.lines[1]' FROM journal WHERE sequence = 30)"),
                "somebody chose",
            ),
            (set(55, "reservationId", &format!("'{}'", chosen(9))), "that somebody chose"),
            (set(3, "active", "json('false')"), "is at north, which takes no reservations"),
            (set(25, "storeId", "'south'"), "is at south, which takes no reservations"),
            (set(59, "reservationId", &format!("'{}'", chosen(3))), "is made again"),
        ],
    );
}

#[test]
fn what_is_fixed_when_a_reservation_is_made_stays() {
    assert_each_red(
        story::complete,
        "reservations",
        &[
            (set(37, "storeId", "'north'"), "was (\"main\""),
            (set(37, "customerId", "'other'"), "was (\"main\""),
            (set(8, "simple", "json('false')"), "was (\"main\""),
            (set(37, "createdAt", &time(15)), "was (\"main\""),
            (set(37, "lines[1].quantity", "4"), "was (\"main\""),
            (set(48, "orderId", "'o-9'"), "was for order None, is told to be for Some(\"o-9\")"),
            (set(48, "expiresAt", &time(34)), "had the deadline Some(33000), is told to have Some(34000)"),
            (set(53, "lines[0].released", "2"), "a line that was"),
            (set(8, "lines[0].confirmed", "1"), "a line that was"),
            (set(37, "lines[1].released", "1"), "a line that was"),
        ],
    );
}

#[test]
fn a_reservation_ends_once() {
    let of = |id: ReservationId, sequence: i64| set(sequence, "reservationId", &format!("'{id}'"));
    assert_each_red(
        story::complete,
        "reservations",
        &[
            ("DELETE FROM journal WHERE sequence = 44".to_owned(), "does not exist"),
            (of(chosen(3), 48), "ReservationReleased after it was confirmed"),
            (of(chosen(4), 59) + &retyped(59, "ReservationExtended"), "ReservationExtended after it was released"),
            (of(chosen(2), 48) + &retyped(48, "ReservationConfirmed"), "ReservationConfirmed after it was expired"),
            (again(38..=38, 24), "ReservationExpired after it was expired"),
        ],
    );
}

#[test]
fn an_end_is_what_it_is_called_and_leaves_nothing() {
    assert_each_red(
        story::complete,
        "reservations",
        &[
            (
                set(37, "lines[0].released", "0"),
                "ReservationConfirmed makes it confirmed with 4 issued and 1 of 5 left",
            ),
            (set(37, "status", "'released'"), "ReservationConfirmed makes it released"),
            (set(48, "lines[0].released", "0"), "ReservationReleased makes it released with 0 issued and 1 of 1 left"),
            (set(48, "status", "'pending'"), "ReservationReleased makes it pending with 0 issued and 0 of 1 left"),
            (
                set(48, "status", "'pending'") + &set(48, "lines[0].released", "0") + &set(48, "endedAt", "NULL"),
                "ReservationReleased makes it pending with 0 issued and 1 of 1 left",
            ),
            (set(8, "lines[0].released", "0"), "ReservationReleased makes it pending with 0 issued and 8 of 8 left"),
            (set(8, "lines[0].confirmed", "1"), "ReservationReleased makes it pending with 1 issued"),
            (set(38, "status", "'released'"), "ReservationExpired makes it released"),
            (set(38, "lines[0].released", "1"), "ReservationExpired makes it expired with 0 issued and 1 of 2 left"),
            (set(38, "lines[0].confirmed", "1"), "ReservationExpired makes it expired with 1 issued"),
            (set(29, "lines[0].released", "1"), "ReservationExtended makes it pending with 0 issued and 1 of 2 left"),
            (set(29, "status", "'confirmed'"), "ReservationExtended makes it confirmed"),
            (
                set(37, "lines[0].confirmed", "0") + &set(37, "lines[1].confirmed", "0"),
                "ReservationConfirmed makes it confirmed with 0 issued",
            ),
            (
                set(37, "lines[0].confirmed", "0")
                    + &set(37, "lines[0].released", "2")
                    + &set(37, "lines[1].confirmed", "0")
                    + &set(37, "lines[1].released", "3"),
                "ReservationConfirmed makes it confirmed with 0 issued and 0 of 5 left",
            ),
            (
                set(53, "status", "'pending'") + &set(53, "endedAt", "NULL"),
                "ReservationReleased makes it pending with 0 issued and 0 of 5 left",
            ),
            (
                retyped(37, "ReservationReleased")
                    + &set(37, "status", "'pending'")
                    + &set(37, "lines[0].confirmed", "0")
                    + &set(37, "lines[1].confirmed", "0"),
                "ReservationReleased makes it pending with 0 issued and 4 of 5 left",
            ),
            (
                set(38, "lines[0].confirmed", "1") + &set(38, "lines[0].released", "1"),
                "ReservationExpired makes it expired with 1 issued and 0 of 2 left",
            ),
            (set(37, "endedAt", "NULL"), "ended at None, and ReservationConfirmed is of 17000"),
            (set(37, "endedAt", &time(16)), "ended at Some(16000)"),
            (set(8, "endedAt", &time(4)), "ended at Some(4000)"),
        ],
    );
}

#[test]
fn nothing_but_its_expiry_happens_to_a_reservation_past_its_deadline() {
    let deadline = |sequences: &[i64], seconds: u32| -> String {
        sequences.iter().map(|&sequence| set(sequence, "expiresAt", &time(seconds))).collect()
    };
    assert_each_red(
        story::complete,
        "reservations",
        &[
            (deadline(&[30, 37], 17), "ReservationConfirmed at 17000, after its deadline Some(17000)"),
            (deadline(&[25], 15), "ReservationExtended at 15000, after its deadline Some(15000)"),
            (deadline(&[44, 48], 24), "ReservationReleased at 24000, after its deadline Some(24000)"),
            (set(29, "expiresAt", "NULL"), "is extended without a deadline"),
            (set(29, "expiresAt", &time(15)), "has a deadline in 0 ms"),
            (set(29, "expiresAt", "'1970-01-02T00:00:16.000Z'"), "has a deadline in 86401000 ms"),
        ],
    );
}

#[test]
fn levels_and_reservations_tell_the_same() {
    let first = format!("'{}'", ReservationId::of(command(3)));
    let other = format!("'{}'", chosen(9));
    assert_each_red(
        story::complete,
        "reservations",
        &[
            (set(5, "reservationId", &other), "is not what"),
            (set(34, "reservationId", &other), "is not what"),
            (set(35, "reservationId", &other), "is not what"),
            // Nobody in particular gave it only if several did.
            (set(7, "reservationId", "NULL"), "is not what None tells"),
            (set(52, "reservationId", &first), "is not what"),
            (set(34, "orderId", "'o-9'"), "is for order Some(\"o-9\")"),
            (set(39, "orderId", "NULL"), "is for order None"),
            (set(52, "orderId", "'o-9'"), "is for order Some(\"o-9\"), not [None]"),
        ],
    );
    assert_each_red(
        story::complete,
        "conservation",
        &[
            (set(31, "reservedQuantity", "3"), "reservations tell"),
            (set(35, "releasedQuantity", "2"), "reservations tell"),
            (set(36, "issuedQuantity", "2"), "reservations tell"),
            ("DELETE FROM journal WHERE sequence = 48".to_owned(), "reservations tell"),
            ("DELETE FROM journal WHERE sequence = 39".to_owned(), "reservations tell"),
        ],
    );
}

#[test]
fn a_simple_release_takes_from_the_oldest_simple_reservation_first() {
    let part = [set(53, "status", "'pending'"), set(53, "endedAt", "NULL"), set(53, "lines[0].released", "7")].concat();
    assert_each_red(
        story::complete,
        "reservations",
        &[
            (part.clone(), "releases what reservations [4, 50] hold, not the oldest simple ones first"),
            // Also when nobody knows any more what was asked.
            ("DELETE FROM outcomes;".to_owned() + &part, "releases what reservations [4, 50] hold"),
            ("DELETE FROM journal WHERE sequence = 53".to_owned(), "releases what reservations [50] hold"),
            (
                "UPDATE outcomes SET type = 'StockReleaseRequested' WHERE sequence = 49".to_owned(),
                "reservations [44] hold",
            ),
        ],
    );
}
