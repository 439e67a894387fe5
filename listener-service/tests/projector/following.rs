//! What happens in the database happens in the model.

use listener_service::projector::Step;
use shared::message::{CatalogueFields, Command};
use shared::read_model::{ITEMS, outcome_key};
use shared::text::Name;

use crate::bench::{adjust, item, request, reserve};
use crate::world::{World, catalogue, create, delete};

fn rename(sku: &str, name: &str) -> shared::message::RequestEnvelope {
    request(item(sku), Command::UpdateItem(CatalogueFields::named(Name::parse(name).expect("a name"))))
}

#[test]
fn an_empty_catalogue_is_a_whole_model() {
    let Some(mut world) = World::new("an_empty_catalogue_is_a_whole_model", &[]) else { return };
    let state = world.settle_and_compare();
    assert_eq!((state.sequence, state.tip.as_str()), (0, ""));
    assert_eq!(state.outcomes_since.millis(), 0, "there is no outcome that could be missing");
}

#[test]
fn every_kind_of_change_is_followed_and_filling_gives_the_same() {
    let Some(mut world) = World::new("every_kind_of_change_is_followed_and_filling_gives_the_same", &[]) else {
        return;
    };
    world.settle();
    world.apply(&create("A", "Über-Kabel übergroß", 10));
    world.settle_and_compare();
    world.apply(&create("B", "usb USB usb-c", 3));
    world.apply(&request(item("A"), reserve(4)));
    world.settle_and_compare();
    world.apply(&rename("A", "Kabel, kürzer"));
    world.apply(&request(item("B"), adjust(7)));
    world.settle_and_compare();
    assert_eq!(world.bench.outcome(&request(item("B"), reserve(1000))), "rejected INSUFFICIENT_STOCK");
    assert_eq!(world.bench.outcome(&request(item("never"), adjust(1))), "rejected ITEM_NOT_FOUND");
    world.settle_and_compare();
    world.apply(&delete(item("B")));
    world.settle_and_compare();
    world.apply(&create("B", "another name", 1));
    world.apply(&delete(item("B")));
    world.apply(&create("B", "a third name", 2));
    let followed = world.settle_and_compare();
    world.redis.command::<()>(&["FLUSHALL"]);
    world.projector = world.another();
    let filled = world.settle_and_compare();
    assert_ne!(followed.generation, filled.generation);
    assert_eq!((followed.sequence, followed.tip), (filled.sequence, filled.tip));
}

#[test]
fn many_changes_of_few_items_and_of_many_are_followed_in_bounded_calls() {
    let Some(mut world) = World::new("many_changes_of_few_items_and_of_many_are_followed_in_bounded_calls", &[]) else {
        return;
    };
    world.settle();
    world.apply_all(&catalogue(450));
    assert_eq!(world.projector.step(), Step::Progressed);
    let half_way = world.state().expect("whole");
    assert!(half_way.sequence > 0 && half_way.sequence < 900);
    // Each of them has two facts.
    let complete = i64::try_from(half_way.sequence / 2).expect("small");
    assert_eq!(half_way.next_offset, complete, "a token is satisfied once all its facts are there, and not before");
    let documents: u64 = world.redis.command(&["HLEN", ITEMS]);
    assert!(documents <= 3 + 50, "{documents}");
    assert_eq!(world.settle_and_compare().next_offset, 450);
    let hot: Vec<_> = (0..1500).map(|_| request(item("SKU-000007"), adjust(1))).collect();
    world.apply_all(&hot);
    world.settle_and_compare();
}

#[test]
fn a_position_that_moves_without_facts_moves_here_too() {
    let Some(mut world) = World::new("a_position_that_moves_without_facts_moves_here_too", &[]) else { return };
    let command = create("A", "A thing", 1);
    world.apply(&command);
    let before = world.settle_and_compare();
    let again = world.bench.message(&command);
    world.bench.apply(&[again]).expect("passed over");
    let after = world.settle_and_compare();
    assert_eq!((after.sequence, after.next_offset), (before.sequence, before.next_offset + 1));
}

#[test]
fn a_dead_letter_moves_the_sequence_and_its_command_has_an_outcome() {
    let Some(mut world) = World::new("a_dead_letter_moves_the_sequence_and_its_command_has_an_outcome", &[]) else {
        return;
    };
    world.settle();
    let garbage = world.bench.raw(None, Some(b"garbage"));
    let mut old = create("A", "A thing", 1);
    old.occurred_at = old.occurred_at.plus_millis(-100 * 3_600_000);
    let record = world.bench.message(&old);
    world.bench.apply(&[garbage, record]).expect("buried");
    let state = world.settle_and_compare();
    assert_eq!(state.sequence, 2);
    let outcome: String = world.redis.command(&["GET", &outcome_key(old.command_id)]);
    assert!(outcome.contains("TOO_OLD"), "{outcome}");
}

#[test]
fn outcomes_told_before_a_fill_are_brought_back_and_each_ends_after_its_hour() {
    let Some(mut world) = World::new("outcomes_told_before_a_fill_are_brought_back_and_each_ends_after_its_hour", &[])
    else {
        return;
    };
    let first = create("A", "A thing", 1);
    world.apply(&first);
    world.apply_all(&(0..1200).map(|_| request(item("A"), adjust(1))).collect::<Vec<_>>());
    // It was told half an hour ago, and the first of all two hours ago.
    let sql = "UPDATE outcomes SET applied_at = applied_at - ?1 WHERE sequence <= ?2";
    let intruder = world.bench.intruder();
    intruder.execute(sql, [1_800_000, 600]).expect("older");
    intruder
        .execute("UPDATE journal SET occurred_at = occurred_at - ?1 WHERE sequence <= ?2", [1_800_000, 600])
        .expect("older");
    intruder.execute(sql, [5_400_000, 2]).expect("older");
    intruder
        .execute("UPDATE journal SET occurred_at = occurred_at - ?1 WHERE sequence <= ?2", [5_400_000, 2])
        .expect("older");
    let state = world.settle_and_compare();
    let sql = "SELECT max(occurred_at) FROM journal";
    let last_at: i64 = intruder.query_row(sql, [], |row| row.get(0)).expect("a time");
    let claimed = last_at - state.outcomes_since.millis();
    assert_eq!(claimed, 3_600_000, "an hour of the writer's, whatever the clock of a reader says");
    let (last, old): (Vec<u8>, Vec<u8>) = {
        let sql = "SELECT command_id FROM outcomes WHERE sequence = ?1";
        let id = |sequence: i64| intruder.query_row(sql, [sequence], |row| row.get(0)).expect("there");
        (id(1202), id(600))
    };
    let seconds = |id: &[u8]| {
        let id = shared::id::CommandId::from_uuid(uuid::Uuid::from_slice(id).expect("an id"));
        world.redis.command::<i64>(&["TTL", &outcome_key(id)])
    };
    assert!((3500..=3600).contains(&seconds(&last)), "{}", seconds(&last));
    assert!((1700..=1800).contains(&seconds(&old)), "{}", seconds(&old));
    assert_eq!(world.redis.command::<u64>(&["EXISTS", &outcome_key(first.command_id)]), 0);
}
