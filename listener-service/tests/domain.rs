//! The domain by example (given facts, when a command, then facts or a rejection) and by property.

use listener_service::domain::{Aggregate, Change, Rejection, Request, decide};
use proptest::prelude::*;
use shared::id::{CommandId, ItemId, ReservationId};
use shared::message::{Command, Fact};
use shared::outcome::RejectionCode;
use shared::quantity::{Adjustment, MAX_UNITS, PositiveQuantity, Quantity};
use shared::text::{Name, Sku, StoreId};

fn sku() -> Sku {
    Sku::parse("PROD-001").expect("a SKU")
}

fn create(quantity: i64) -> Command {
    Command::CreateItem {
        sku: sku(),
        name: Name::parse("Cable").expect("a name"),
        description: None,
        quantity: Quantity::parse(quantity).expect("a quantity"),
    }
}

fn update() -> Command {
    Command::UpdateItem { name: Name::parse("Other").expect("a name"), description: None }
}

fn adjust(units: i64) -> Command {
    let quantity = Adjustment::parse(units).expect("an adjustment");
    Command::AdjustStock { store_id: StoreId::main(), quantity, reason: None, reference: None }
}

fn reserve(units: i64) -> Command {
    Command::ReserveStock { store_id: StoreId::main(), quantity: PositiveQuantity::parse(units).expect("a quantity") }
}

fn release(units: i64) -> Command {
    Command::ReleaseStock { store_id: StoreId::main(), quantity: PositiveQuantity::parse(units).expect("a quantity") }
}

fn request(command: &Command, expected_version: Option<u64>) -> Request<'_> {
    Request {
        item_id: ItemId::of(&sku()),
        command,
        expected_version,
        reservation_id: ReservationId::of(CommandId::from_uuid(shared::id::NAMESPACE)),
    }
}

/// What is so after `commands`, all of which must be allowed.
fn given(commands: &[Command]) -> Aggregate {
    let mut state = Aggregate::default();
    for command in commands {
        for change in decide(&state, &request(command, None)).expect("given commands are allowed") {
            state.evolve(&change);
        }
    }
    state
}

fn when(state: &Aggregate, command: &Command) -> Result<Vec<(&'static str, u64)>, RejectionCode> {
    decide(state, &request(command, None)).map(|changes| seen(&changes)).map_err(|rejection| rejection.code)
}

fn seen(changes: &[Change]) -> Vec<(&'static str, u64)> {
    changes.iter().map(|change| (change.fact.event_type(), change.version)).collect()
}

#[test]
fn creating_makes_the_item_and_its_initial_stock() {
    let state = given(&[]);
    assert_eq!(when(&state, &create(0)), Ok(vec![("InventoryItemCreated", 1)]));
    assert_eq!(when(&state, &create(5)), Ok(vec![("InventoryItemCreated", 1), ("StockAdjusted", 1)]));
}

#[test]
fn creating_a_sku_that_is_there_is_rejected() {
    assert_eq!(when(&given(&[create(0)]), &create(0)), Err(RejectionCode::DuplicateSku));
}

#[test]
fn an_unknown_item_is_not_found_by_any_other_command() {
    for command in [update(), Command::DeleteItem {}, adjust(1), reserve(1), release(1)] {
        assert_eq!(when(&given(&[]), &command), Err(RejectionCode::ItemNotFound));
        assert_eq!(when(&given(&[create(3), Command::DeleteItem {}]), &command), Err(RejectionCode::ItemNotFound));
    }
}

#[test]
fn deleting_writes_the_stock_off_and_creating_again_goes_on_with_the_versions() {
    let state = given(&[create(3), update()]);
    assert_eq!(when(&state, &Command::DeleteItem {}), Ok(vec![("StockAdjusted", 2), ("InventoryItemDeleted", 3)]));
    let state = given(&[create(3), update(), Command::DeleteItem {}]);
    assert_eq!(state.level(&StoreId::main()).quantity, 0);
    assert_eq!(when(&state, &create(1)), Ok(vec![("InventoryItemCreated", 4), ("StockAdjusted", 3)]));
}

#[test]
fn an_item_with_reserved_units_is_not_deleted() {
    let state = given(&[create(3), reserve(1)]);
    assert_eq!(when(&state, &Command::DeleteItem {}), Err(RejectionCode::ItemHasReservations));
}

#[test]
fn reserving_takes_what_is_available_and_not_one_more() {
    let state = given(&[create(3), reserve(2)]);
    assert_eq!(when(&state, &reserve(1)), Ok(vec![("StockReserved", 3)]));
    let rejection = decide(&state, &request(&reserve(2), None)).expect_err("one is left");
    assert_eq!(rejection.code, RejectionCode::InsufficientStock);
    assert_eq!(rejection.detail, "available 1, requested 2");
}

#[test]
fn releasing_more_than_is_reserved_is_rejected() {
    let state = given(&[create(3), reserve(2)]);
    assert_eq!(when(&state, &release(2)), Ok(vec![("StockReleased", 3)]));
    assert_eq!(when(&state, &release(3)), Err(RejectionCode::InsufficientReserved));
}

#[test]
fn adjusting_below_what_is_reserved_or_above_the_bound_is_rejected() {
    let state = given(&[create(3), reserve(2)]);
    assert_eq!(when(&state, &adjust(-1)), Ok(vec![("StockAdjusted", 3)]));
    assert_eq!(when(&state, &adjust(-2)), Err(RejectionCode::InsufficientStock));
    assert_eq!(when(&state, &adjust(MAX_UNITS - 3)), Ok(vec![("StockAdjusted", 3)]));
    assert_eq!(when(&state, &adjust(MAX_UNITS - 2)), Err(RejectionCode::QuantityOutOfRange));
}

#[test]
fn an_expected_version_is_of_the_item_for_catalogue_commands_and_of_the_level_for_stock_commands() {
    let state = given(&[create(3), reserve(1), reserve(1)]);
    let at = |command: &Command, version| decide(&state, &request(command, Some(version))).map_err(|r| r.code);
    assert!(at(&update(), 1).is_ok() && at(&reserve(1), 3).is_ok());
    assert_eq!(at(&update(), 3), Err(RejectionCode::VersionConflict));
    assert_eq!(at(&reserve(1), 1), Err(RejectionCode::VersionConflict));
    let empty = given(&[create(0)]);
    assert!(decide(&empty, &request(&adjust(1), Some(0))).is_ok(), "a level that is not there has version 0");
}

#[test]
fn a_stock_fact_tells_the_level_after_it() {
    let state = given(&[create(5)]);
    let changes = decide(&state, &request(&reserve(2), None)).expect("allowed");
    let Fact::StockReserved { level, reserved_quantity, .. } = &changes[0].fact else { panic!("{changes:?}") };
    assert_eq!(
        (*reserved_quantity, level.total_quantity, level.reserved_total, level.available_quantity),
        (2, 5, 2, 3)
    );
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (0..20_i64).prop_map(create),
        Just(update()),
        Just(Command::DeleteItem {}),
        (-20..20_i64).prop_filter("not 0", |units| *units != 0).prop_map(adjust),
        (1..10_i64).prop_map(reserve),
        (1..10_i64).prop_map(release),
        Just(adjust(MAX_UNITS)),
    ]
}

/// The simplest thing that could be right: three numbers and a flag.
#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    live: bool,
    quantity: i64,
    reserved: i64,
}

impl Model {
    fn apply(&mut self, command: &Command) -> bool {
        let allowed = match command {
            Command::CreateItem { .. } => !self.live,
            Command::UpdateItem { .. } => self.live,
            Command::DeleteItem {} => self.live && self.reserved == 0,
            Command::AdjustStock { quantity, .. } => {
                self.live && (self.reserved..=MAX_UNITS).contains(&(self.quantity + quantity.units()))
            }
            Command::ReserveStock { quantity, .. } => self.live && quantity.units() <= self.quantity - self.reserved,
            Command::ReleaseStock { quantity, .. } => self.live && quantity.units() <= self.reserved,
        };
        if allowed {
            match command {
                Command::CreateItem { quantity, .. } => (self.live, self.quantity) = (true, quantity.units()),
                Command::UpdateItem { .. } => {}
                Command::DeleteItem {} => (self.live, self.quantity) = (false, 0),
                Command::AdjustStock { quantity, .. } => self.quantity += quantity.units(),
                Command::ReserveStock { quantity, .. } => self.reserved += quantity.units(),
                Command::ReleaseStock { quantity, .. } => self.reserved -= quantity.units(),
            }
        }
        allowed
    }
}

proptest! {
    #[test]
    fn any_sequence_of_commands_does_what_the_model_does(commands in prop::collection::vec(any_command(), 1..60)) {
        let (mut state, mut model) = (Aggregate::default(), Model::default());
        for command in &commands {
            let decided = decide(&state, &request(command, None));
            prop_assert_eq!(decided.is_ok(), model.apply(command), "{:?}", command);
            for change in decided.unwrap_or_default() {
                state.evolve(&change);
            }
            let level = state.level(&StoreId::main());
            prop_assert!(0 <= level.reserved && level.reserved <= level.quantity && level.quantity <= MAX_UNITS);
            prop_assert_eq!((state.live().is_some(), level.quantity, level.reserved), (model.live, model.quantity, model.reserved));
        }
    }

    #[test]
    fn versions_go_up_by_one_and_a_rejection_changes_nothing(commands in prop::collection::vec(any_command(), 1..60)) {
        let mut state = Aggregate::default();
        for command in &commands {
            let before = (state.item.as_ref().map_or(0, |item| item.version), state.level(&StoreId::main()).version);
            let decided: Result<Vec<Change>, Rejection> = decide(&state, &request(command, None));
            for change in decided.unwrap_or_default() {
                let of_item = change.fact.event_type().starts_with("InventoryItem");
                prop_assert_eq!(change.version, 1 + if of_item { before.0 } else { before.1 });
                state.evolve(&change);
            }
        }
    }
}
