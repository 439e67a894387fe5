//! The checker that the other tests trust: each kind of fault in a model is found by it.

use shared::read_model::{ITEMS, Order, ROWS, SHARED_BEGINNINGS, STATE, SUPERSEDED, TERMS, outcome_key};
use testkit::read_model::differences;

use crate::bench::{adjust, item, request};
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
