//! Reservations: made all or none, ended once.

use shared::message::{Command, Fact, ReservedLine};
use shared::outcome::RejectionCode;
use shared::reservation::ReservationStatus;
use shared::text::OrderId;

use super::world::*;

fn status(world: &World, id: u128) -> ReservationStatus {
    world.reservation(reservation(id)).expect("there").details.status
}

fn line(world: &World, id: u128, index: usize) -> (i64, i64, i64) {
    let ReservedLine { quantity, confirmed, released, .. } =
        world.reservation(reservation(id)).expect("there").details.lines[index];
    (quantity, confirmed, released)
}

#[test]
fn lines_are_taken_all_or_none() {
    let mut world = World::given([create("A", 3), create("B", 1)]);
    let rejection = world.decide(&hold(1, "main", &[("A", 2), ("B", 2)])).unwrap_err();
    assert_eq!(rejection.code, RejectionCode::InsufficientStock);
    assert_eq!(rejection.detail, "B: available 1, requested 2");
    let changes = world.done(&hold(1, "main", &[("A", 2), ("B", 1)]));
    assert_eq!(
        seen(&changes),
        [("ReservationCreated", 1), ("StockReserved", 2), ("StockReserved", 2), ("StockDepleted", 2)]
    );
    assert_eq!((world.stock("A", "main"), world.stock("B", "main")), ((3, 2), (1, 1)));
}

#[test]
fn what_is_missing_is_told_up_to_five_lines() {
    let world = World::given([create("A", 3)]);
    let wanted = ["A", "B", "C", "D", "E", "F", "G", "H"].map(|sku| (sku, 1));
    let rejection = world.decide(&hold(1, "main", &wanted)).unwrap_err();
    assert_eq!(rejection.code, RejectionCode::ItemNotFound);
    assert!(
        rejection.detail.starts_with("there is no item ") && rejection.detail.ends_with("; and 2 more"),
        "{rejection}"
    );
}

#[test]
fn two_lines_of_one_item_are_held_to_what_is_available_together() {
    let world = World::given([create("A", 3)]);
    assert_eq!(world.when(&hold(1, "main", &[("A", 2), ("A", 2)])), Err(RejectionCode::InsufficientStock));
}

#[test]
fn an_id_is_taken_once_even_by_a_reservation_that_has_ended() {
    let mut world = World::given([create("A", 3), hold(1, "main", &[("A", 1)])]);
    assert_eq!(world.when(&hold(1, "main", &[("A", 1)])), Err(RejectionCode::ReservationExists));
    world.done(&cancel(1));
    assert_eq!(world.when(&hold(1, "main", &[("A", 1)])), Err(RejectionCode::ReservationExists));
}

#[test]
fn confirming_issues_what_is_held_whatever_is_available() {
    let mut world = World::given([create("A", 3), hold(1, "main", &[("A", 3)])]);
    let changes = world.done(&confirm(1, None));
    assert_eq!(seen(&changes), [("StockIssued", 3), ("ReservationConfirmed", 2)]);
    assert_eq!((world.stock("A", "main"), line(&world, 1, 0)), ((0, 0), (3, 3, 0)));
}

#[test]
fn what_a_confirmation_does_not_name_is_released() {
    let mut world = World::given([create("A", 5), create("B", 5), hold(1, "main", &[("A", 4), ("B", 2)])]);
    let changes = world.done(&confirm(1, Some(&[("A", 3)])));
    let facts = [("StockIssued", 3), ("StockReleased", 4), ("StockReleased", 3), ("ReservationConfirmed", 2)];
    assert_eq!(seen(&changes), facts);
    assert_eq!((world.stock("A", "main"), world.stock("B", "main")), ((2, 0), (5, 0)));
    assert_eq!((line(&world, 1, 0), line(&world, 1, 1)), ((4, 3, 1), (2, 0, 2)));
}

#[test]
fn a_confirmation_names_no_more_than_is_held() {
    let world = World::given([create("A", 5), create("B", 5), hold(1, "main", &[("A", 2)])]);
    assert_eq!(world.when(&confirm(1, Some(&[("A", 3)]))), Err(RejectionCode::InsufficientReserved));
    assert_eq!(world.when(&confirm(1, Some(&[("B", 1)]))), Err(RejectionCode::InsufficientReserved));
}

#[test]
fn a_confirmation_may_name_the_order() {
    let mut world = World::given([create("A", 5), hold(1, "main", &[("A", 2)])]);
    let order_id = OrderId::parse("O-1").ok();
    let changes =
        world.done(&of_reservation(1, Command::ConfirmReservation { order_id: order_id.clone(), lines: None }));
    let Fact::StockIssued { order_id: told, .. } = &changes[0].fact else { panic!("{changes:?}") };
    assert_eq!((told, &world.reservations[0].details.order_id), (&order_id, &order_id));
}

#[test]
fn a_reservation_ends_once_and_each_end_has_its_own_rejection() {
    let given = || World::given([create("A", 5), hold(1, "main", &[("A", 2)])]);
    let mut confirmed = given();
    confirmed.done(&confirm(1, None));
    let mut released = given();
    released.done(&cancel(1));
    let mut expired = given();
    expired.now += 10_000;
    let expiry = expired.expiry(reservation(1));
    expired.evolve(&expiry);
    let mut past = given();
    past.now += 10_000;
    for (world, code) in [
        (&confirmed, RejectionCode::ReservationAlreadyConfirmed),
        (&released, RejectionCode::ReservationAlreadyReleased),
        (&expired, RejectionCode::ReservationExpired),
        // The sweep has not come yet.
        (&past, RejectionCode::ReservationExpired),
        (&World::new(), RejectionCode::ReservationNotFound),
    ] {
        for late in [confirm(1, None), cancel(1), extend(1, 5)] {
            assert_eq!(world.when(&late), Err(code), "{:?}", late.command);
        }
    }
}

#[test]
fn whoever_is_late_is_told_the_deadline_after_the_sweep_as_before_it() {
    let mut world = World::given([create("A", 5), hold(1, "main", &[("A", 2)])]);
    let deadline = world.reservations[0].details.expires_at.unwrap();
    world.now += 10_700;
    let before = world.decide(&confirm(1, None)).unwrap_err();
    let expiry = world.expiry(reservation(1));
    world.evolve(&expiry);
    assert_ne!(world.reservations[0].details.ended_at, Some(deadline));
    let after = world.decide(&confirm(1, None)).unwrap_err();
    assert_eq!(before.detail, format!("reservation {} expired at {deadline}", reservation(1)));
    assert_eq!(after.detail, before.detail);
}

#[test]
fn how_it_ended_is_told_before_the_version_is_compared() {
    let mut world = World::given([create("A", 5), hold(1, "main", &[("A", 2)])]);
    assert_eq!(world.when_at(2, &cancel(1)), Err(RejectionCode::VersionConflict));
    world.done(&cancel(1));
    assert_eq!(world.when_at(1, &cancel(1)), Err(RejectionCode::ReservationAlreadyReleased));
}

#[test]
fn a_deadline_can_be_moved_until_it_has_passed() {
    let mut world = World::given([create("A", 5), hold(1, "main", &[("A", 2)])]);
    world.now += 9_999;
    assert_eq!(seen(&world.done(&extend(1, 10))), [("ReservationExtended", 2)]);
    world.now += 9_999;
    assert!(world.when(&confirm(1, None)).is_ok());
    world.now += 1;
    assert_eq!(world.when(&confirm(1, None)), Err(RejectionCode::ReservationExpired));
}

#[test]
fn an_expiry_gives_back_exactly_what_is_held() {
    let mut world = World::given([create("A", 5), create("B", 5), hold(1, "main", &[("A", 2), ("B", 5)])]);
    world.now += 10_000;
    let changes = world.expiry(reservation(1));
    let facts = [("ReservationExpired", 2), ("StockReleased", 3), ("StockReleased", 3), ("StockReplenished", 3)];
    assert_eq!(seen(&changes), facts);
    world.evolve(&changes);
    assert_eq!((world.stock("A", "main"), world.stock("B", "main")), ((5, 0), (5, 0)));
    assert_eq!((status(&world, 1), line(&world, 1, 0)), (ReservationStatus::Expired, (2, 0, 2)));
}

#[test]
fn reserving_simply_makes_a_reservation_without_a_deadline() {
    let mut world = World::given([create("A", 3), reserve("A", "main", 2)]);
    assert_eq!(world.when(&reserve("A", "main", 1)).unwrap()[..2], [("ReservationCreated", 1), ("StockReserved", 3)]);
    let rejection = world.decide(&reserve("A", "main", 2)).unwrap_err();
    assert_eq!(
        (rejection.code, rejection.detail.as_str()),
        (RejectionCode::InsufficientStock, "available 1, requested 2")
    );
    let simple = &world.reservations[0].details;
    assert_eq!((simple.simple, simple.expires_at), (true, None));
    world.now += 1_000_000_000;
    assert!(world.when(&release("A", "main", 2)).is_ok());
}

#[test]
fn releasing_simply_releases_the_oldest_first_and_in_part() {
    let mut world = World::given([create("A", 9), reserve("A", "main", 2), reserve("A", "main", 3)]);
    let changes = world.done(&release("A", "main", 4));
    assert_eq!(seen(&changes), [("StockReleased", 4), ("ReservationReleased", 2), ("ReservationReleased", 2)]);
    let left: Vec<_> = world.reservations.iter().map(|r| (r.details.status, r.details.lines[0].released)).collect();
    assert_eq!(left, [(ReservationStatus::Released, 2), (ReservationStatus::Pending, 2)]);
    assert_eq!(world.stock("A", "main"), (9, 1));
    assert_eq!(world.when(&release("A", "main", 2)), Err(RejectionCode::InsufficientReserved));
    world.done(&release("A", "main", 1));
    assert_eq!(world.stock("A", "main"), (9, 0));
}

#[test]
fn releasing_simply_never_touches_a_buyers_hold_nor_another_store() {
    let mut world = World::given([open_store("berlin"), create("A", 9), adjust("A", "berlin", 9)]);
    world.done(&hold(1, "main", &[("A", 5)]));
    world.done(&reserve("A", "berlin", 5));
    let rejection = world.decide(&release("A", "main", 1)).unwrap_err();
    assert_eq!(rejection.code, RejectionCode::InsufficientReserved);
    assert_eq!(rejection.detail, "reserved 0 by simple reservations, to release 1");
    assert_eq!(world.stock("A", "main"), (9, 5));
}

#[test]
fn a_simple_reservation_that_was_released_in_part_confirms_what_is_left() {
    let mut world = World::given([create("A", 9), reserve("A", "main", 5), release("A", "main", 2)]);
    let id = world.reservations[0].details.reservation_id.uuid().as_u128();
    assert_eq!(world.when(&confirm(id, Some(&[("A", 4)]))), Err(RejectionCode::InsufficientReserved));
    world.done(&confirm(id, None));
    assert_eq!((world.stock("A", "main"), line(&world, id, 0)), ((6, 0), (5, 3, 2)));
}
