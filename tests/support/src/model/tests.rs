//! The model is right where a merchant would look, and random commands get everywhere.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::reservation::Ttl;

use super::random::{SKUS, STORES, history, seeded};
use super::*;

const EVERY_CODE: usize = RejectionCode::ALL.len();

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn sku(n: usize) -> Sku {
    Sku::parse(SKUS[n]).unwrap()
}

fn item(n: usize) -> ItemId {
    ItemId::of(&sku(n))
}

fn ask(number: u128, of: AggregateId, command: Command) -> Asked {
    Asked { command_id: CommandId::from_uuid(uuid::Uuid::from_u128(number)), of, command }
}

/// Ten of the first item at `main`.
fn stocked() -> Inventory {
    let mut inventory = Inventory::default();
    let quantity = shared::quantity::Quantity::parse(10).unwrap();
    let fields = CatalogueFields {
        name: Name::parse("A cable").unwrap(),
        description: None,
        category: None,
        price: None,
        low_stock_threshold: None,
    };
    let create = Command::CreateItem { sku: sku(0), fields, quantity };
    inventory.apply(&ask(0, AggregateId::Item(item(0)), create), at(0)).unwrap();
    inventory
}

fn lines(units: i64) -> Lines {
    let quantity = shared::quantity::PositiveQuantity::parse(units).unwrap();
    Lines::parse([Line { item_id: item(0), quantity }]).unwrap()
}

fn hold(id: u128, units: i64) -> Asked {
    let ttl_seconds = Ttl::parse(10).unwrap();
    let (store_id, customer_id, order_id) = (StoreId::main(), None, None);
    let command = Command::Reserve { store_id, lines: lines(units), customer_id, order_id, ttl_seconds };
    ask(100 + id, AggregateId::Reservation(ReservationId::from_uuid(uuid::Uuid::from_u128(id))), command)
}

fn simple(number: u128, units: i64) -> Asked {
    let quantity = shared::quantity::PositiveQuantity::parse(units).unwrap();
    ask(number, AggregateId::Item(item(0)), Command::ReserveStock { store_id: StoreId::main(), quantity })
}

fn release(units: i64) -> Asked {
    let quantity = shared::quantity::PositiveQuantity::parse(units).unwrap();
    ask(0, AggregateId::Item(item(0)), Command::ReleaseStock { store_id: StoreId::main(), quantity })
}

fn stock(inventory: &Inventory) -> (i64, i64) {
    (inventory.on_hand(item(0), &StoreId::main()), inventory.reserved(item(0), &StoreId::main()))
}

#[test]
fn what_is_confirmed_leaves_and_the_rest_is_for_sale_again() {
    let mut inventory = stocked();
    let hold = hold(1, 6);
    inventory.apply(&hold, at(0)).unwrap();
    assert_eq!(stock(&inventory), (10, 6));
    let confirm = |units| Command::ConfirmReservation { order_id: None, lines: Some(lines(units)) };
    let too_many = ask(2, hold.of.clone(), confirm(7));
    assert_eq!(inventory.apply(&too_many, at(1)), Err(RejectionCode::InsufficientReserved));
    inventory.apply(&ask(3, hold.of.clone(), confirm(4)), at(1)).unwrap();
    assert_eq!(stock(&inventory), (6, 0));
    let again = ask(4, hold.of.clone(), Command::ReleaseReservation {});
    assert_eq!(inventory.apply(&again, at(2)), Err(RejectionCode::ReservationAlreadyConfirmed));
}

#[test]
fn a_deadline_is_the_end_also_before_anybody_looks() {
    let mut inventory = stocked();
    let hold = hold(1, 6);
    inventory.apply(&hold, at(0)).unwrap();
    let confirm = ask(2, hold.of.clone(), Command::ConfirmReservation { order_id: None, lines: None });
    assert_eq!(inventory.clone().apply(&confirm, at(9_999)), Ok(()));
    assert_eq!(inventory.apply(&confirm, at(10_000)), Err(RejectionCode::ReservationExpired));
    assert_eq!((stock(&inventory), inventory.expire(at(9_999)).len()), ((10, 6), 0));
    assert_eq!((inventory.expire(at(10_000)).len(), stock(&inventory)), (1, (10, 0)));
    assert_eq!(inventory.expire(at(10_000)), []);
}

#[test]
fn a_simple_release_takes_the_oldest_first_and_never_a_buyers() {
    let mut inventory = stocked();
    inventory.apply(&hold(1, 4), at(0)).unwrap();
    inventory.apply(&simple(11, 2), at(0)).unwrap();
    inventory.apply(&simple(12, 3), at(0)).unwrap();
    assert_eq!(inventory.apply(&release(6), at(0)), Err(RejectionCode::InsufficientReserved));
    inventory.apply(&release(3), at(0)).unwrap();
    let status = |number: u128| {
        let id = ReservationId::of(CommandId::from_uuid(uuid::Uuid::from_u128(number)));
        inventory.reservation(id).map(|one| (one.status, one.left_of(item(0))))
    };
    assert_eq!(status(11), Some((ReservationStatus::Released, 0)));
    assert_eq!(status(12), Some((ReservationStatus::Pending, 2)));
    assert_eq!(stock(&inventory), (10, 6));
}

#[test]
fn nothing_is_reserved_if_anything_is_missing() {
    let mut inventory = stocked();
    let mut asked = hold(1, 6);
    let quantity = shared::quantity::PositiveQuantity::parse(1).unwrap();
    let both = [Line { item_id: item(0), quantity }, Line { item_id: item(1), quantity }];
    if let Command::Reserve { lines, .. } = &mut asked.command {
        *lines = Lines::parse(both).unwrap();
    }
    assert_eq!(inventory.apply(&asked, at(0)), Err(RejectionCode::ItemNotFound));
    assert_eq!(stock(&inventory), (10, 0));
}

#[test]
fn the_same_seed_gives_the_same_turns() {
    let told = |seed| format!("{:?}", seeded(seed, 20));
    assert_eq!(told(7), told(7));
    assert_ne!(told(7), told(8));
    assert_eq!(seeded(7, 20).len(), 20);
}

/// Else a comparison with the writer would compare little.
#[test]
fn random_commands_of_every_kind_are_applied_and_refused_for_every_reason() {
    let mut applied: BTreeMap<&str, usize> = BTreeMap::new();
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut codes, mut expired) = (BTreeMap::new(), 0);
    for seed in 0..40 {
        let (mut inventory, mut now) = (Inventory::default(), at(0));
        for turn in seeded(seed, 150) {
            now = now.plus_millis(turn.after_millis);
            if now.millis() % 3 == 0 {
                expired += inventory.expire(now).len();
            }
            let told = inventory.apply(&turn.asked, now);
            let counted = if told.is_ok() { &mut applied } else { &mut refused };
            *counted.entry(turn.asked.command.event_type()).or_default() += 1;
            if let Err(code) = told {
                *codes.entry(code.as_str()).or_insert(0) += 1;
            }
        }
    }
    for kind in Command::EVENT_TYPES {
        assert!(applied.contains_key(kind) && refused.contains_key(kind), "{kind}: {applied:?} {refused:?}");
    }
    // Nobody here says which version they expect, or uses a key.
    assert_eq!(codes.len(), EVERY_CODE - 2, "{codes:?}");
    assert!(expired > 50, "{expired} expired");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]
    #[test]
    fn no_command_oversells(turns in history(1..120)) {
        let (mut inventory, mut now) = (Inventory::default(), at(0));
        for turn in turns {
            now = now.plus_millis(turn.after_millis);
            let (before, refused) = (format!("{inventory:?}"), inventory.apply(&turn.asked, now).is_err());
            prop_assert!(!refused || format!("{inventory:?}") == before, "a refusal changes nothing");
            for (item, store) in inventory.levels.keys() {
                let (on_hand, reserved) = (inventory.on_hand(*item, store), inventory.reserved(*item, store));
                prop_assert!(0 <= reserved && reserved <= on_hand && on_hand <= MAX_UNITS, "{reserved} of {on_hand}");
                prop_assert!(inventory.items.contains_key(item) || on_hand == 0);
            }
            prop_assert!(inventory.stores.keys().all(|store| STORES.contains(&store.as_str())));
        }
    }
}
