//! Items.

use shared::message::Fact;
use shared::outcome::RejectionCode;
use shared::quantity::Quantity;

use super::world::*;

#[test]
fn creating_makes_the_item_and_its_initial_stock() {
    let world = World::new();
    assert_eq!(world.when(&create("A", 0)), Ok(vec![("InventoryItemCreated", 1)]));
    assert_eq!(world.when(&create("A", 5)), Ok(vec![("InventoryItemCreated", 1), ("StockAdjusted", 1)]));
}

#[test]
fn creating_a_sku_that_is_there_is_rejected() {
    assert_eq!(World::given([create("A", 0)]).when(&create("A", 0)), Err(RejectionCode::DuplicateSku));
}

#[test]
fn an_unknown_item_is_not_found_by_any_other_command() {
    let commands = [
        update("A"),
        delete("A"),
        adjust("A", "main", 1),
        reserve("A", "main", 1),
        release("A", "main", 1),
        count("A", "main", 1, None),
        hold_to("A", "main", Some(1)),
        transfer("A", "main", "berlin", 1),
        hold(1, "main", &[("A", 1)]),
    ];
    let never = World::given([open_store("berlin")]);
    let deleted = World::given([open_store("berlin"), create("A", 3), delete("A")]);
    for command in commands {
        assert_eq!(never.when(&command), Err(RejectionCode::ItemNotFound));
        assert_eq!(deleted.when(&command), Err(RejectionCode::ItemNotFound));
    }
}

#[test]
fn deleting_writes_the_stock_of_every_store_off_and_creating_again_goes_on_with_the_versions() {
    let mut world = World::given([open_store("berlin"), create("A", 3), update("A"), adjust("A", "berlin", 2)]);
    let deletion = delete("A");
    let facts = vec![("StockAdjusted", 2), ("StockAdjusted", 2), ("InventoryItemDeleted", 3)];
    assert_eq!(world.when(&deletion), Ok(facts));
    world.done(&deletion);
    assert_eq!((world.stock("A", "main"), world.stock("A", "berlin")), ((0, 0), (0, 0)));
    assert_eq!(world.when(&create("A", 1)), Ok(vec![("InventoryItemCreated", 4), ("StockAdjusted", 3)]));
}

#[test]
fn an_item_with_reserved_units_is_not_deleted() {
    for held in [reserve("A", "main", 1), hold(1, "main", &[("A", 1)])] {
        let world = World::given([create("A", 3), held]);
        assert_eq!(world.when(&delete("A")), Err(RejectionCode::ItemHasReservations));
    }
}

#[test]
fn a_fact_tells_all_catalogue_fields_and_what_is_absent_is_cleared() {
    let mut world = World::given([create_with("A", 0, priced(1999, "EUR"))]);
    let changes = world.done(&update_with("A", low_at(3)));
    let Fact::ItemUpdated(details) = &changes[0].fact else { panic!("{changes:?}") };
    assert_eq!((details.price, details.low_stock_threshold.map(Quantity::units)), (None, Some(3)));
}

#[test]
fn an_expected_version_is_of_the_item() {
    let mut world = World::given([create("A", 3), reserve("A", "main", 1), reserve("A", "main", 1)]);
    assert!(world.when_at(1, &update("A")).is_ok());
    assert_eq!(world.when_at(3, &update("A")), Err(RejectionCode::VersionConflict));
    assert_eq!(world.when_at(3, &delete("A")), Err(RejectionCode::VersionConflict));
}
