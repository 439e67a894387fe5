//! What Redis loses is noticed and made good, without a command.

use std::time::{Duration, Instant};

use listener_service::projector::Step;
use shared::read_model::{
    BY_FACET, ENDED, FACETS, ITEMS, LOW_STOCK, MOST_RESERVED, Order, RESERVATIONS, ROWS, ReservationIndex, SENTINEL,
    SHARED_BEGINNINGS, STATE, STORES, SUMMARY, SUPERSEDED, TERMS,
};
use testkit::poll::eventually_blocking;

use crate::bench::{adjust, item, request};
use crate::shops::{reservation, reserve};
use crate::world::{NOTICED, SOON, World, catalogue, create};

#[test]
fn a_flush_is_noticed_in_half_a_second_and_made_good() {
    let Some(mut world) = World::new("a_flush_is_noticed_in_half_a_second_and_made_good", &[]) else { return };
    world.apply_all(&catalogue(300));
    let running = world.run();
    let before = world.compare();
    for command in ["FLUSHALL", "FLUSHDB"] {
        world.redis.command::<()>(&[command]);
        let flushed = Instant::now();
        eventually_blocking(SOON, || world.redis.command::<bool>(&["EXISTS", ITEMS]));
        let took = flushed.elapsed();
        eprintln!("{command}: noticed after {took:?}, whole after {:?}", {
            eventually_blocking(SOON, || world.state().is_some());
            flushed.elapsed()
        });
        assert!(took < NOTICED, "{command}: {took:?}");
        assert_ne!(world.compare().generation, before.generation);
    }
    world.stop(running);
}

#[test]
fn the_loss_of_any_key_is_noticed_and_made_good() {
    let Some(mut world) = World::new("the_loss_of_any_key_is_noticed_and_made_good", &[]) else { return };
    world.apply_all(&catalogue(30));
    world.apply(&reserve(reservation(1), Some("o"), &[("SKU-000001", 1)]));
    let held = reservation(1).to_string();
    let keys = [ITEMS, ROWS, TERMS, SHARED_BEGINNINGS].into_iter().chain(Order::ALL.map(Order::key));
    let keys = keys.chain([FACETS, BY_FACET, LOW_STOCK, MOST_RESERVED, RESERVATIONS, ENDED, STORES]);
    let keys = keys.chain(ReservationIndex::ALL.map(ReservationIndex::key)).map(|key| vec!["DEL", key]);
    let parts = [
        vec!["HDEL", ITEMS, STATE],
        vec!["HDEL", ITEMS, SUPERSEDED],
        vec!["HDEL", ITEMS, SUMMARY],
        vec!["HDEL", ROWS, "SKU-000003"],
        vec!["HDEL", FACETS, "SKU-000003"],
        vec!["HDEL", RESERVATIONS, &held],
        vec!["ZREMRANGEBYRANK", ReservationIndex::All.key(), "1", "1"],
        vec!["ZREM", TERMS, SENTINEL],
        vec!["ZREM", Order::Available.key(), "SKU-000003"],
        vec!["SET", ROWS, "of another type"],
    ];
    for loss in keys.chain(parts) {
        // Another projector each time, for one that fills again and again takes its time.
        world.projector = world.another();
        let before = world.settle_and_compare();
        world.redis.command::<redis::Value>(&loss);
        world.settle_anew(&before);
    }
}

#[test]
fn what_was_evicted_is_not_covered_up_by_the_next_batch() {
    let Some(mut world) = World::new("what_was_evicted_is_not_covered_up_by_the_next_batch", &[]) else { return };
    world.apply(&create("A", "One thing", 1));
    let before = world.settle_and_compare();
    world.redis.command::<()>(&["DEL", TERMS]);
    world.redis.command::<()>(&["DEL", Order::Available.key()]);
    world.apply(&request(item("A"), adjust(1)));
    world.settle_anew(&before);
}

#[test]
fn a_redis_that_starts_again_empty_is_filled_again() {
    let Some(mut world) = World::new("a_redis_that_starts_again_empty_is_filled_again", &[]) else { return };
    world.apply_all(&catalogue(250));
    let before = world.settle_and_compare();
    world.redis.kill();
    world.apply(&create("A", "Meanwhile", 1));
    assert_eq!(world.projector.step(), Step::Blocked);
    assert!(world.health().contains("Degraded"), "{}", world.health());
    world.redis.start_again();
    let after = world.settle_anew(&before);
    assert_ne!(before.run, after.run);
    assert!(world.health().contains("the read model is whole"), "{}", world.health());
}

#[test]
fn a_model_that_comes_back_from_a_dump_is_never_taken_for_the_present_one() {
    let options = ["--dbfilename", "dump.rdb"];
    let test = "a_model_that_comes_back_from_a_dump_is_never_taken_for_the_present_one";
    let Some(mut world) = World::new(test, &options) else { return };
    world.apply(&create("A", "A thing", 1));
    let dumped = world.settle_and_compare();
    world.redis.command::<()>(&["SAVE"]);
    world.apply(&request(item("A"), adjust(1)));
    let before = world.settle_and_compare();
    world.redis.kill();
    world.redis.start_again();
    let from_dump = world.state().expect("it is in the dump");
    assert_eq!((from_dump.generation, from_dump.sequence), (dumped.generation, dumped.sequence));
    let run: String = world.redis.command(&["INFO", "server"]);
    assert!(!run.contains(&from_dump.run), "a reader can see that it is of another life of this Redis");
    let after = world.settle_anew(&dumped);
    assert_eq!(after.sequence, before.sequence);
    // Also when the journal stands where the dump stands: its outcomes, say, may be older.
    world.redis.command::<()>(&["SAVE"]);
    world.redis.kill();
    world.redis.start_again();
    world.settle_anew(&after);
}

#[test]
fn a_redis_that_forgets_its_scripts_is_given_them_again() {
    let Some(mut world) = World::new("a_redis_that_forgets_its_scripts_is_given_them_again", &[]) else { return };
    world.apply(&create("A", "A thing", 1));
    let before = world.settle_and_compare();
    world.redis.command::<()>(&["SCRIPT", "FLUSH"]);
    world.apply(&request(item("A"), adjust(1)));
    assert_eq!(world.settle_and_compare().generation, before.generation);
}

#[test]
fn a_redis_that_hangs_holds_up_no_writer_and_is_caught_up_with() {
    let Some(mut world) = World::new("a_redis_that_hangs_holds_up_no_writer_and_is_caught_up_with", &[]) else {
        return;
    };
    world.apply_all(&catalogue(20));
    let running = world.run();
    let before = world.compare();
    world.redis.freeze();
    world.apply(&create("A", "A thing", 1));
    eventually_blocking(SOON, || world.health().contains("Degraded"));
    let mut slowest = Duration::ZERO;
    for _ in 0..200 {
        let started = Instant::now();
        world.apply(&request(item("A"), adjust(1)));
        slowest = slowest.max(started.elapsed());
    }
    eprintln!("the slowest commit while Redis hung took {slowest:?}");
    assert!(slowest < Duration::from_millis(900), "a commit waited for Redis: {slowest:?}");
    world.redis.thaw();
    let after = world.compare();
    assert_eq!(after.generation, before.generation, "nothing was lost, so nothing was filled");
    world.stop(running);
}
