//! The checker that the other tests trust: each kind of fault in a model is found by it.

use shared::read_model::{
    BY_FACET, ENDED, FACETS, ITEMS, LOW_STOCK, MOST_RESERVED, Order, RESERVATIONS, ROWS, ReservationIndex, SENTINEL,
    SHARED_BEGINNINGS, STATE, STORES, SUMMARY, SUPERSEDED, TERMS, outcome_key,
};
use testkit::read_model::differences;

use crate::bench::{adjust, item, request};
use crate::shops::{confirm, create_with, fields_of, reservation, reserve};
use crate::world::{World, create};

#[test]
fn every_kind_of_fault_is_found() {
    let Some(mut world) = World::new("every_kind_of_fault_is_found", &[]) else { return };
    let command = create("A", "usb USB cable", 1);
    world.apply(&command);
    world.settle_and_compare();
    let id = item("A").to_string();
    let old_document: String = world.redis.command(&["HGET", ITEMS, &id]);
    world.apply(&request(item("A"), adjust(1)));
    let now = world.settle_and_compare();
    let other_state =
        serde_json::to_string(&shared::read_model::State { tip: "other".to_owned(), ..now }).expect("JSON");
    let outcome = outcome_key(command.command_id);
    let faults: [(&str, Vec<&str>); 16] = [
        ("a stale document", vec!["HSET", ITEMS, &id, &old_document]),
        ("a document that is gone", vec!["HDEL", ITEMS, &id]),
        ("a document too many", vec!["HSET", ITEMS, "other", "{}"]),
        ("a document that is none", vec!["HSET", ITEMS, &id, "{}"]),
        ("a stale row", vec!["HSET", ROWS, "A", "other"]),
        ("a row too many", vec!["HSET", ROWS, "B", "other"]),
        ("a missing term", vec!["ZREM", TERMS, "cable\nA"]),
        ("a term too many", vec!["ZADD", TERMS, "0", "other\nA"]),
        ("a missing beginning", vec!["ZREM", SHARED_BEGINNINGS, "usb \nA\n2"]),
        ("a beginning too many", vec!["ZADD", SHARED_BEGINNINGS, "0", "u\nA\n1"]),
        ("a missing index entry", vec!["ZREM", Order::NameDescending.key(), "\u{0}"]),
        ("an index entry too many", vec!["ZADD", Order::Name.key(), "0", "other\nA"]),
        ("another score", vec!["ZADD", Order::AvailableDescending.key(), "-1", "A"]),
        ("another tip", vec!["HSET", ITEMS, STATE, &other_state]),
        ("other superseded logs", vec!["HSET", ITEMS, SUPERSEDED, "[\"other\"]"]),
        ("a missing outcome", vec!["DEL", &outcome]),
    ];
    for (what, fault) in faults {
        world.redis.command::<()>(&["FLUSHALL"]);
        world.projector = world.another();
        world.settle_and_compare();
        if what == "a missing index entry" {
            world.redis.command::<()>(&["ZREMRANGEBYRANK", fault[1], "0", "0"]);
        } else {
            world.redis.command::<redis::Value>(&fault);
        }
        let (_, found) = differences(&world.bench.path(), &world.redis.address()).expect("compared");
        assert!(!found.is_empty(), "{what}");
    }
    world.redis.command::<()>(&["HDEL", ITEMS, STATE]);
    assert!(differences(&world.bench.path(), &world.redis.address()).is_err(), "there is nothing to compare");
}

fn found(world: &World, fault: &[&str]) -> Vec<String> {
    world.redis.command::<redis::Value>(fault);
    differences(&world.bench.path(), &world.redis.address()).expect("compared").1
}

#[test]
fn every_kind_of_fault_beside_the_items_is_found() {
    let Some(mut world) = World::new("every_kind_of_fault_beside_the_items_is_found", &[]) else { return };
    world.apply(&create_with("A", 9, fields_of(Some("Cables"), Some(5), Some(9))));
    world.apply(&reserve(reservation(1), Some("o"), &[("A", 2)]));
    world.settle_and_compare();
    let id = reservation(1).to_string();
    let old: String = world.redis.command(&["HGET", RESERVATIONS, &id]);
    let old_summary: String = world.redis.command(&["HGET", ITEMS, SUMMARY]);
    world.apply(&confirm(reservation(1), Some("o")));
    world.apply(&reserve(reservation(2), None, &[("A", 3)]));
    let state = world.settle_and_compare();
    let dropped = shared::read_model::State { reservations_from: state.sequence + 1, ..state.clone() };
    let dropped = serde_json::to_string(&dropped).expect("JSON");
    let pending = reservation(2).to_string();
    let ahead = old_summary.replace("\"sequence\":", "\"sequence\":9");
    let facets: String = world.redis.command(&["HGET", FACETS, "A"]);
    let of = ReservationIndex::key;
    let faults: [(&str, Vec<&str>); 24] = [
        ("a stale reservation", vec!["HSET", RESERVATIONS, &id, &old]),
        ("a reservation that is gone", vec!["HDEL", RESERVATIONS, &id]),
        ("a reservation too many", vec!["HSET", RESERVATIONS, "other", &old]),
        ("a reservation that is none", vec!["HSET", RESERVATIONS, &id, "{}"]),
        ("reservations of another model", vec!["HSET", RESERVATIONS, SENTINEL, "other"]),
        ("a list that lacks one", vec!["ZREMRANGEBYRANK", of(ReservationIndex::All), "1", "1"]),
        ("an order too many", vec!["ZADD", of(ReservationIndex::Order), "0", "other"]),
        ("an order that is gone", vec!["ZREMRANGEBYRANK", of(ReservationIndex::Order), "1", "1"]),
        ("a customer too many", vec!["ZADD", of(ReservationIndex::Customer), "0", "other"]),
        ("an item that is gone", vec!["ZREMRANGEBYRANK", of(ReservationIndex::Item), "1", "1"]),
        ("an end that is gone", vec!["ZREM", ENDED, &id]),
        ("another end", vec!["ZADD", ENDED, "5", &id]),
        ("an end too many", vec!["ZADD", ENDED, "5", &pending]),
        ("another store", vec!["HSET", STORES, "main", "{}"]),
        ("a store too many", vec!["HSET", STORES, "other", "{}"]),
        ("a store that is gone", vec!["HDEL", STORES, "main"]),
        ("an old summary", vec!["HSET", ITEMS, SUMMARY, &old_summary]),
        ("a summary of later", vec!["HSET", ITEMS, SUMMARY, &ahead]),
        ("no facets", vec!["HDEL", FACETS, "A"]),
        ("other facets", vec!["HSET", FACETS, "B", &facets]),
        ("a facet that is gone", vec!["ZREM", BY_FACET, "cCables\nA"]),
        ("a level that is not low", vec!["ZADD", LOW_STOCK, "0", "A\nother"]),
        ("another number reserved", vec!["ZADD", MOST_RESERVED, "-1", "A"]),
        ("a level that is low", vec!["ZREM", LOW_STOCK, "A\nmain"]),
    ];
    for (what, fault) in faults {
        world.redis.command::<()>(&["FLUSHALL"]);
        world.projector = world.another();
        world.settle_and_compare();
        assert!(!found(&world, &fault).is_empty(), "{what}");
    }
    // If it is said that the ended ones may have been dropped, only the pending ones are missed.
    world.redis.command::<()>(&["FLUSHALL"]);
    world.projector = world.another();
    let now = world.settle_and_compare();
    let dropped = dropped.replace(&state.generation.to_string(), &now.generation.to_string());
    for key in ReservationIndex::ALL.map(of).into_iter().chain([ENDED]) {
        world.redis.command::<u64>(&["ZREMRANGEBYRANK", key, "1", "1"]);
    }
    world.redis.command::<u64>(&["HDEL", RESERVATIONS, &id]);
    assert_eq!(found(&world, &["HSET", ITEMS, STATE, &dropped]), [""; 0]);
    assert!(!found(&world, &["HDEL", RESERVATIONS, &pending]).is_empty());
}
