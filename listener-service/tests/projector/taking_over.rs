//! Several projectors, one after the other and at once, and a database that goes back.

use std::path::Path;

use listener_service::projector::{Projector, Step};
use shared::read_model::{OUTCOMES, outcome_key};

use testkit::poll::eventually_blocking;

use crate::announcements::{Ear, assert_contiguous};
use crate::bench::{adjust, item, request};
use crate::proxy::Proxy;
use crate::world::{SOON, World, catalogue, create, settle};

#[test]
fn a_listener_that_starts_again_goes_on_with_the_model_that_is_there() {
    let test = "a_listener_that_starts_again_goes_on_with_the_model_that_is_there";
    let Some(mut world) = World::new(test, &[]) else { return };
    world.apply_all(&catalogue(20));
    let before = world.settle_and_compare();
    let mut world = world.restart();
    world.apply(&create("A", "A thing", 1));
    let after = world.settle_and_compare();
    assert_eq!(after.generation, before.generation);
    assert_eq!((before.epoch, after.epoch), (1, 2));
}

#[test]
fn a_projector_whose_lease_was_taken_over_changes_nothing() {
    let Some(mut world) = World::new("a_projector_whose_lease_was_taken_over_changes_nothing", &[]) else { return };
    world.apply(&create("A", "A thing", 1));
    world.settle();
    let mut zombie = world.another();
    settle(&mut zombie);
    let mut world = world.restart();
    world.apply(&request(item("A"), adjust(1)));
    world.settle_and_compare();
    world.apply(&request(item("A"), adjust(1)));
    let before = world.everything();
    assert_eq!(zombie.step(), Step::Fenced);
    assert_eq!(zombie.step(), Step::Fenced, "for good");
    assert_eq!(world.everything(), before);
    world.settle_and_compare();
}

#[test]
fn of_two_projectors_at_once_each_change_is_made_by_one() {
    let Some(mut world) = World::new("of_two_projectors_at_once_each_change_is_made_by_one", &[]) else { return };
    let ear = Ear::on(&world.redis);
    let mut other = world.another();
    world.settle();
    settle(&mut other);
    for n in 0..30 {
        world.apply(&create(&format!("SKU-{n}"), "A thing", n));
        // Nobody has the lease twice; if it were so, what one has found out in vain would cost it a look, no more.
        let (one, two) = (world.projector.step(), other.step());
        assert!(one != Step::Fenced && two != Step::Fenced);
        world.compare();
    }
    settle(&mut other);
    let state = world.settle_and_compare();
    assert_eq!(assert_contiguous(&ear.all(), 0), state.sequence);
}

/// A projector that stood still with a call on its way, and whose lease was taken over meanwhile.
fn a_late_call_changes_nothing(test: &str, words: &'static str, until: impl Fn(&mut World, &mut Projector)) {
    let Some(mut world) = World::new(test, &[]) else { return };
    world.apply_all(&catalogue(120));
    let proxy = Proxy::to(world.redis.address());
    let mut zombie = world.another_at(proxy.address());
    until(&mut world, &mut zombie);
    proxy.hold(words);
    eventually_blocking(SOON, || zombie.step() == Step::Blocked);
    let mut world = world.restart();
    world.apply(&request(item("SKU-000001"), adjust(1)));
    world.settle_and_compare();
    let (before, calls) = (world.everything(), scripts(&world));
    proxy.let_go();
    eventually_blocking(SOON, || scripts(&world) > calls);
    assert_eq!(world.everything(), before);
    assert_eq!(zombie.step(), Step::Fenced);
    assert_eq!(world.everything(), before);
    world.settle_and_compare();
}

/// How many calls Redis has run.
fn scripts(world: &World) -> u64 {
    let stats: String = world.redis.command(&["INFO", "commandstats"]);
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next());
    calls.expect("there were some").parse().expect("a number")
}

#[test]
fn a_batch_that_comes_late_changes_nothing() {
    a_late_call_changes_nothing("a_batch_that_comes_late_changes_nothing", "Late-thing", |world, zombie| {
        settle(zombie);
        world.apply(&create("Late-thing", "A thing", 1));
    });
}

#[test]
fn the_beginning_of_a_fill_that_comes_late_changes_nothing() {
    a_late_call_changes_nothing("the_beginning_of_a_fill_that_comes_late_changes_nothing", "EVALSHA", |_, _| ());
}

#[test]
fn a_part_of_a_fill_that_comes_late_changes_nothing() {
    a_late_call_changes_nothing("a_part_of_a_fill_that_comes_late_changes_nothing", "SKU-000", |_, zombie| {
        assert_eq!(zombie.step(), Step::Progressed, "begun");
    });
}

#[test]
fn a_database_that_was_restored_and_went_on_differently_is_filled_in_anew() {
    let test = "a_database_that_was_restored_and_went_on_differently_is_filled_in_anew";
    let Some(mut world) = World::new(test, &[]) else { return };
    world.apply(&create("A", "A thing", 1));
    world.settle();
    // Three more starts, so that the lease of the copy is far behind.
    let copy = world.bench.folder.path().join("copy.db");
    world.bench.writer.connection().execute("VACUUM INTO ?1", [copy.to_str()]).expect("copied");
    for _ in 0..3 {
        world = world.restart();
    }
    let lost = create("B", "A thing that is lost", 1);
    world.apply(&lost);
    for _ in 0..10 {
        world.apply(&request(item("A"), adjust(1)));
    }
    let before = world.settle_and_compare();
    assert_eq!(world.redis.command::<u64>(&["EXISTS", &outcome_key(lost.command_id)]), 1);
    let mut world = world.restart_after(put_back);
    for _ in 0..30 {
        world.apply(&request(item("A"), adjust(1)));
    }
    assert_eq!(world.bench.writer.sequence(), 32, "further than before");
    let after = world.settle_anew(&before);
    assert!(after.epoch < before.epoch, "{} {}", after.epoch, before.epoch);
    assert_eq!(world.redis.command::<u64>(&["EXISTS", &outcome_key(lost.command_id)]), 0, "of a lost history");
    let kept: Vec<String> = world.redis.command(&["KEYS", &format!("{OUTCOMES}*")]);
    assert_eq!(kept.len(), 31);
}

#[test]
fn a_database_that_was_restored_to_before_the_model_is_filled_in_anew() {
    let test = "a_database_that_was_restored_to_before_the_model_is_filled_in_anew";
    let Some(mut world) = World::new(test, &[]) else { return };
    world.apply(&create("A", "A thing", 1));
    let copy = world.bench.folder.path().join("copy.db");
    world.bench.writer.connection().execute("VACUUM INTO ?1", [copy.to_str()]).expect("copied");
    world.apply(&create("B", "A thing that is lost", 1));
    let before = world.settle_and_compare();
    let mut world = world.restart_after(put_back);
    assert_eq!(world.settle_anew(&before).sequence, 2);
}

#[test]
fn an_item_that_changes_while_a_fill_is_on_its_way_is_there_as_it_is_at_the_end() {
    let test = "an_item_that_changes_while_a_fill_is_on_its_way_is_there_as_it_is_at_the_end";
    let Some(mut world) = World::new(test, &[]) else { return };
    world.apply_all(&catalogue(700));
    for n in 0..4 {
        assert_eq!(world.projector.step(), Step::Progressed);
        world.apply(&create(&format!("NEW-{n}"), "Created meanwhile", n));
        world.apply(&crate::world::delete(item(&format!("SKU-{n:06}"))));
        world.apply(&request(item(&format!("SKU-{:06}", n + 10)), adjust(1)));
        assert!(world.state().is_none(), "nothing is claimed before it is whole");
    }
    world.settle_and_compare();
}

fn put_back(folder: &Path) {
    for left in ["inventory.db-wal", "inventory.db-shm"] {
        let _ = std::fs::remove_file(folder.join(left));
    }
    std::fs::rename(folder.join("copy.db"), folder.join("inventory.db")).expect("put back");
}
