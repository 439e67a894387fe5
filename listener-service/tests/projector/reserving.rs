//! Reservations, stores and what else is beside the items: followed, filled in, dropped in time.

use std::time::Duration;

use shared::id::ReservationId;
use shared::read_model::{ENDED, LOW_STOCK, MOST_RESERVED, RESERVATIONS, ReservationIndex};

use crate::announcements::Ear;
use crate::bench::{item, request};
use crate::shops::{
    adjust_at, cancel, change, confirm, create_with, extend, fields_of, open, release, reservation, reserve, threshold,
    transfer,
};
use crate::world::{World, create, delete};

/// Every kind of change to what is beside the items, compared after each.
fn live_through(world: &mut World) {
    for step in [
        create_with("A", 100, fields_of(Some("Cables"), Some(1299), Some(5))),
        create_with("B", 10, fields_of(None, None, None)),
        open("shop"),
        change("main", "The main one", true),
        adjust_at("A", "shop", 4),
        threshold("A", "shop", Some(3)),
        threshold("B", "shop", Some(0)),
        reserve(reservation(1), Some("o/1"), &[("A", 3), ("B", 2)]),
        reserve(reservation(2), None, &[("A", 93)]),
        reserve(reservation(3), Some("o"), &[("B", 8)]),
        extend(reservation(2), 3600),
        confirm(reservation(1), Some("o/2")),
        confirm(reservation(2), Some("o\"2\\")),
        cancel(reservation(3)),
        request(item("B"), crate::bench::reserve(3)),
        request(item("B"), crate::bench::reserve(2)),
        release("B", 4),
        transfer("A", "main", "shop", 2),
        change("shop", "A shop, closed", false),
        request(item("A"), shared::message::Command::UpdateItem(fields_of(Some("Wires"), Some(0), None))),
        reserve(reservation(4), Some("o"), &[("A", 1), ("B", 1)]),
    ] {
        world.apply(&step);
        world.settle_and_compare();
    }
}

#[test]
fn every_change_of_reservations_stores_and_thresholds_is_followed_and_filling_gives_the_same() {
    let test = "every_change_of_reservations_stores_and_thresholds_is_followed_and_filling_gives_the_same";
    let Some(mut world) = World::new(test, &[]) else { return };
    world.settle();
    live_through(&mut world);
    // One expires, by the writer's clock; somebody asks for one that never was.
    world.bench.pass(Duration::from_secs(601));
    world.bench.sweep();
    assert_eq!(world.bench.outcome(&cancel(reservation(9))), "rejected RESERVATION_NOT_FOUND");
    world.apply(&change("main", "Main", true));
    let followed = world.settle_and_compare();
    assert_eq!(followed.reservations_from, 0, "nothing was dropped");
    let documents: u64 = world.redis.command(&["HLEN", RESERVATIONS]);
    assert_eq!(documents, 1 + 6, "they stay when they have ended");
    world.redis.command::<()>(&["FLUSHALL"]);
    world.projector = world.another();
    let filled = world.settle_and_compare();
    assert_ne!(followed.generation, filled.generation);
    for id in [item("A"), item("B")] {
        let held = reservation(7);
        let _ = world.bench.outcome(&reserve(held, None, &[("A", 1), ("B", 1)]));
        let _ = world.bench.outcome(&cancel(held));
        let _ = world.bench.outcome(&release("B", 1));
        world.apply(&delete(id));
        world.settle_and_compare();
    }
    let low: u64 = world.redis.command(&["ZCARD", LOW_STOCK]);
    let reserved: u64 = world.redis.command(&["ZCARD", MOST_RESERVED]);
    assert_eq!((low, reserved), (1, 1), "with the items");
}

#[test]
fn a_reservation_and_a_store_that_change_are_told() {
    let Some(mut world) = World::new("a_reservation_and_a_store_that_change_are_told", &[]) else { return };
    world.apply(&create("A", "A thing", 9));
    world.settle();
    let ear = Ear::on(&world.redis);
    world.apply_all(&[reserve(reservation(1), None, &[("A", 1)]), open("shop")]);
    world.apply_all(&[confirm(reservation(1), None)]);
    world.settle();
    let told = ear.all();
    let reservations: Vec<ReservationId> = told.iter().flat_map(|told| told.reservations.clone()).collect();
    assert_eq!(reservations, [reservation(1)]);
    let stores: Vec<_> = told.iter().flat_map(|told| told.stores.clone()).collect();
    assert_eq!(stores, [crate::shops::store("shop")]);
}

/// `count` reservations of A, of which each second one has ended.
fn many(world: &mut World, numbers: std::ops::Range<u128>) {
    let ids: Vec<ReservationId> = numbers.map(reservation).collect();
    world.apply_all(&ids.iter().map(|&id| reserve(id, Some("o"), &[("A", 1)])).collect::<Vec<_>>());
    let ending = ids.iter().step_by(2).enumerate();
    world
        .apply_all(&ending.map(|(n, &id)| if n % 2 == 0 { cancel(id) } else { confirm(id, None) }).collect::<Vec<_>>());
}

#[test]
fn those_that_ended_first_are_dropped_in_bounded_steps_and_that_is_told() {
    let test = "those_that_ended_first_are_dropped_in_bounded_steps_and_that_is_told";
    let Some(mut world) = World::new(test, &[]) else { return };
    world.projector = world.another().keeping(50);
    world.apply(&create("A", "A thing", 1_000_000));
    world.settle();
    many(&mut world, 1..801);
    let ended = |world: &World| world.redis.command::<usize>(&["ZCARD", ENDED]) - 1;
    let dropped = |world: &mut World| {
        testkit::poll::eventually_blocking(crate::world::SOON, || {
            let before = ended(world);
            world.projector.step();
            let after = ended(world);
            assert!(after + 100 >= before, "{before} {after}");
            after == 50
        });
        world.settle_and_compare()
    };
    let state = dropped(&mut world);
    let lowest: String = world.redis.command::<Vec<String>>(&["ZRANGE", ENDED, "1", "1"]).remove(0);
    let kept: String = world.redis.command(&["HGET", RESERVATIONS, &lowest]);
    let kept: shared::read_model::StoredReservation = serde_json::from_str(&kept).expect("a reservation");
    assert!(state.reservations_from > 0 && state.reservations_from <= kept.number, "all from there on are kept");
    let all: u64 = world.redis.command(&["ZCARD", ReservationIndex::All.key()]);
    assert_eq!(all, 1 + 400 + 50, "the pending ones stay");
    // A rejection of one that was dropped makes it be looked at again.
    assert_eq!(world.bench.outcome(&cancel(reservation(1))), "rejected RESERVATION_ALREADY_RELEASED");
    assert_eq!(dropped(&mut world).reservations_from, state.reservations_from);
    // Filled anew, those are there that were made last.
    world.redis.command::<()>(&["FLUSHALL"]);
    world.projector = world.another().keeping(50);
    let filled = world.settle_and_compare();
    assert!(filled.reservations_from > 0 && filled.reservations_from >= state.reservations_from);
    let all: u64 = world.redis.command(&["ZCARD", ReservationIndex::All.key()]);
    assert!((1 + 400 + 50..1 + 400 + 50 + 200).contains(&all), "{all}");
    many(&mut world, 801..901);
    dropped(&mut world);
    // What is said of what was dropped outlives a restart.
    let mut world = world.restart();
    assert!(world.settle_and_compare().reservations_from >= filled.reservations_from);
}

#[test]
fn a_reservation_that_changes_while_a_fill_is_on_its_way_is_there_as_it_is_at_the_end() {
    let test = "a_reservation_that_changes_while_a_fill_is_on_its_way_is_there_as_it_is_at_the_end";
    let Some(mut world) = World::new(test, &[]) else { return };
    world.apply(&create("A", "A thing", 1_000_000));
    many(&mut world, 1..1001);
    world.projector = world.another().keeping(100);
    for n in 0..12 {
        assert_eq!(world.projector.step(), listener_service::projector::Step::Progressed);
        world.apply(&reserve(reservation(2000 + n), None, &[("A", 1)]));
        world.apply(&cancel(reservation(2 + 2 * n)));
        world.apply(&confirm(reservation(1000 - 2 * n), Some("late")));
        world.apply(&open(&format!("shop-{n}")));
    }
    world.settle_and_compare();
}
