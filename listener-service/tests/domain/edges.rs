//! Low, depleted, replenished: told when the edge is crossed, once.

use super::world::*;

fn edges(world: &mut World, asked: &Asked) -> Vec<&'static str> {
    let told = ["StockDepleted", "StockReplenished", "LowStock"];
    let changes = world.done(asked);
    changes.iter().map(|change| change.fact.event_type()).filter(|event_type| told.contains(event_type)).collect()
}

#[test]
fn low_stock_is_told_once_for_each_crossing_of_what_is_available() {
    let mut world = World::given([create_with("A", 10, low_at(5))]);
    assert_eq!(edges(&mut world, &reserve("A", "main", 4)), [""; 0]);
    assert_eq!(edges(&mut world, &reserve("A", "main", 1)), ["LowStock"]);
    assert_eq!(edges(&mut world, &reserve("A", "main", 1)), [""; 0]);
    assert_eq!(edges(&mut world, &adjust("A", "main", -1)), [""; 0]);
    assert_eq!(edges(&mut world, &release("A", "main", 3)), [""; 0]);
    assert_eq!(edges(&mut world, &adjust("A", "main", -1)), ["LowStock"]);
}

#[test]
fn what_is_available_can_be_depleted_and_replenished() {
    let mut world = World::given([create("A", 3)]);
    assert_eq!(edges(&mut world, &hold(1, "main", &[("A", 3)])), ["StockDepleted"]);
    assert_eq!(edges(&mut world, &cancel(1)), ["StockReplenished"]);
    assert_eq!(edges(&mut world, &adjust("A", "main", -3)), ["StockDepleted"]);
}

#[test]
fn issuing_what_is_reserved_changes_nothing_of_what_is_available() {
    let mut world = World::given([create_with("A", 6, low_at(5)), hold(1, "main", &[("A", 2)])]);
    assert_eq!(edges(&mut world, &confirm(1, None)), [""; 0]);
    assert_eq!(world.stock("A", "main"), (4, 0));
}

#[test]
fn a_threshold_that_rises_above_what_is_available_crosses_the_edge_too() {
    let mut world = World::given([create("A", 3)]);
    assert_eq!(edges(&mut world, &update_with("A", low_at(2))), [""; 0]);
    assert_eq!(edges(&mut world, &update_with("A", low_at(3))), ["LowStock"]);
    assert_eq!(edges(&mut world, &hold_to("A", "main", Some(1))), [""; 0]);
    assert_eq!(edges(&mut world, &hold_to("A", "main", None)), ["LowStock"]);
}

#[test]
fn a_threshold_of_its_own_comes_before_the_items() {
    let mut world = World::given([create_with("A", 10, low_at(9)), hold_to("A", "main", Some(0))]);
    assert_eq!(edges(&mut world, &update_with("A", low_at(10))), [""; 0]);
    assert_eq!(edges(&mut world, &adjust("A", "main", -10)), ["StockDepleted", "LowStock"]);
}

#[test]
fn the_first_fact_of_a_level_its_items_creation_and_deletion_cross_nothing() {
    let mut world = World::given([open_store("berlin")]);
    assert_eq!(edges(&mut world, &create_with("A", 3, low_at(5))), [""; 0]);
    assert_eq!(edges(&mut world, &adjust("A", "berlin", 1)), [""; 0]);
    assert_eq!(edges(&mut world, &delete("A")), [""; 0]);
    assert_eq!(edges(&mut world, &create("A", 4)), [""; 0]);
}

#[test]
fn each_side_of_a_transfer_has_its_own_edges() {
    let mut world = World::given([open_store("berlin"), create_with("A", 3, low_at(0)), adjust("A", "berlin", 1)]);
    world.done(&adjust("A", "berlin", -1));
    let crossed = edges(&mut world, &transfer("A", "main", "berlin", 3));
    assert_eq!(crossed, ["StockDepleted", "LowStock", "StockReplenished"]);
}
