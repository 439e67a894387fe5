//! Units on hand.

use shared::message::Fact;
use shared::outcome::RejectionCode;
use shared::quantity::MAX_UNITS;

use super::world::*;

#[test]
fn adjusting_below_what_is_reserved_or_above_the_bound_is_rejected() {
    let world = World::given([create("A", 3), reserve("A", "main", 2)]);
    assert_eq!(world.when(&adjust("A", "main", -2)), Err(RejectionCode::InsufficientStock));
    assert_eq!(world.when(&adjust("A", "main", MAX_UNITS - 3)), Ok(vec![("StockAdjusted", 3)]));
    assert_eq!(world.when(&adjust("A", "main", MAX_UNITS - 2)), Err(RejectionCode::QuantityOutOfRange));
}

#[test]
fn a_count_sets_what_is_on_hand_if_that_is_what_was_expected() {
    let mut world = World::given([create("A", 5), reserve("A", "main", 2)]);
    assert_eq!(world.when(&count("A", "main", 4, Some(6))), Err(RejectionCode::QuantityChanged));
    assert_eq!(world.when(&count("A", "main", 1, None)), Err(RejectionCode::InsufficientStock));
    let changes = world.done(&count("A", "main", 4, Some(5)));
    assert_eq!(seen(&changes), [("StockAdjusted", 3), ("StockCounted", 3)]);
    assert_eq!(world.stock("A", "main"), (4, 2));
}

#[test]
fn a_count_that_finds_what_is_there_is_still_told() {
    let world = World::given([create("A", 5)]);
    let changes = world.decide(&count("A", "main", 5, None)).unwrap();
    let Fact::StockAdjusted { adjustment, .. } = &changes[0].fact else { panic!("{changes:?}") };
    assert_eq!((*adjustment, seen(&changes)), (0, vec![("StockAdjusted", 2), ("StockCounted", 2)]));
}

#[test]
fn a_count_below_what_is_reserved_tells_both() {
    let world = World::given([create("A", 10), reserve("A", "main", 7)]);
    let rejection = world.decide(&count("A", "main", 2, None)).unwrap_err();
    assert_eq!(
        (rejection.code, rejection.detail.as_str()),
        (RejectionCode::InsufficientStock, "counted 2, reserved 7")
    );
}

#[test]
fn a_transfer_moves_units_between_stores_and_makes_none() {
    let mut world = World::given([open_store("berlin"), create("A", 5), reserve("A", "main", 2)]);
    assert_eq!(world.when(&transfer("A", "main", "berlin", 4)), Err(RejectionCode::InsufficientStock));
    let changes = world.done(&transfer("A", "main", "berlin", 2));
    assert_eq!(seen(&changes), [("StockAdjusted", 3), ("StockAdjusted", 1), ("StockTransferred", 3)]);
    assert_eq!((world.stock("A", "main"), world.stock("A", "berlin")), ((3, 2), (2, 0)));
    assert_eq!(world.when_at(2, &transfer("A", "main", "berlin", 1)), Err(RejectionCode::VersionConflict));
    world.done(&adjust("A", "berlin", MAX_UNITS - 2));
    let rejection = world.decide(&transfer("A", "main", "berlin", 1)).unwrap_err();
    assert_eq!((rejection.code, rejection.version), (RejectionCode::QuantityOutOfRange, 3), "of the source");
    assert!(rejection.detail.starts_with("berlin: "), "{rejection}");
}

#[test]
fn every_command_about_stock_needs_a_store_that_exists() {
    let world = World::given([create("A", 5)]);
    for command in [
        adjust("A", "paris", 1),
        reserve("A", "paris", 1),
        release("A", "paris", 1),
        count("A", "paris", 1, None),
        hold_to("A", "paris", None),
        transfer("A", "main", "paris", 1),
        transfer("A", "paris", "main", 1),
        hold(1, "paris", &[("A", 1)]),
    ] {
        assert_eq!(world.when(&command), Err(RejectionCode::StoreNotFound), "{:?}", command.command);
    }
}

#[test]
fn an_expected_version_is_of_the_level_and_0_of_one_that_is_not_there() {
    let mut world = World::given([create("A", 3), reserve("A", "main", 1)]);
    assert!(world.when_at(2, &reserve("A", "main", 1)).is_ok());
    assert_eq!(world.when_at(1, &reserve("A", "main", 1)), Err(RejectionCode::VersionConflict));
    assert_eq!(world.when_at(1, &hold_to("A", "main", None)), Err(RejectionCode::VersionConflict));
    assert!(World::given([create("A", 0)]).when_at(0, &adjust("A", "main", 1)).is_ok());
}

#[test]
fn a_stock_fact_tells_the_level_after_it() {
    let world = World::given([create("A", 5)]);
    let changes = world.decide(&reserve("A", "main", 2)).unwrap();
    let Fact::StockReserved { level, reserved_quantity, .. } = &changes[1].fact else { panic!("{changes:?}") };
    let told = (*reserved_quantity, level.total_quantity, level.reserved_total, level.available_quantity);
    assert_eq!(told, (2, 5, 2, 3));
}
