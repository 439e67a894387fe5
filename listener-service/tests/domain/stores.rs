//! Stores.

use shared::outcome::RejectionCode;

use super::world::*;

#[test]
fn a_store_is_created_once_and_changed_by_its_version() {
    let mut world = World::given([open_store("berlin")]);
    assert_eq!(world.when(&open_store("berlin")), Err(RejectionCode::StoreExists));
    assert_eq!(world.when(&open_store("main")), Err(RejectionCode::StoreExists));
    assert_eq!(world.when(&change_store("berlin", false)), Ok(vec![("StoreUpdated", 2)]));
    assert_eq!(world.when_at(2, &change_store("berlin", false)), Err(RejectionCode::VersionConflict));
    assert_eq!(world.when(&change_store("paris", true)), Err(RejectionCode::StoreNotFound));
}

#[test]
fn a_store_that_is_not_active_takes_no_new_reservations_and_its_stock_stays() {
    let mut world = World::given([open_store("berlin"), create("A", 9), adjust("A", "berlin", 5)]);
    world.done(&hold(1, "berlin", &[("A", 1)]));
    world.done(&change_store("berlin", false));
    assert_eq!(world.when(&reserve("A", "berlin", 1)), Err(RejectionCode::StoreInactive));
    assert_eq!(world.when(&hold(2, "berlin", &[("A", 1)])), Err(RejectionCode::StoreInactive));
    for allowed in [
        confirm(1, None),
        extend(1, 5),
        cancel(1),
        adjust("A", "berlin", -1),
        count("A", "berlin", 3, None),
        transfer("A", "berlin", "main", 1),
    ] {
        assert!(world.when(&allowed).is_ok(), "{:?}", allowed.command);
    }
}
