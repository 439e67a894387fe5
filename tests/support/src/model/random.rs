//! Random commands, of all kinds, over so few items, stores and reservations that they meet: right ones and wrong ones,
//! but none that would not get past the form of a request.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, IdempotencyId, ItemId, ReservationId};
use shared::message::{CatalogueFields, Command, StoreFields};
use shared::price::{AmountMinor, Currency, Price};
use shared::quantity::{Adjustment, PositiveQuantity, Quantity};
use shared::reservation::{Line, Lines, Ttl};
use shared::text::{Sku, StoreId, Text};
use uuid::Uuid;

use super::{Asked, Inventory, Reservation};

/// The last one is never created.
pub const SKUS: [&str; 5] = ["A-1", "B-2", "C-3", "D-4", "NONE"];
/// The first one is there from the beginning, the last one is never created.
pub const STORES: [&str; 4] = ["main", "north", "south", "nowhere"];
/// How many ids a client chooses from.
const CHOSEN: u128 = 5;

/// A command, and how long after the one before.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Milliseconds that pass before it.
    pub after_millis: i64,
    /// The command.
    pub asked: Asked,
}

/// Which command.
#[derive(Debug, Clone, Copy)]
enum Kind {
    CreateItem,
    UpdateItem,
    DeleteItem,
    AdjustStock,
    ReserveStock,
    ReleaseStock,
    CountStock,
    ConfigureStock,
    TransferStock,
    Reserve,
    ConfirmReservation,
    ExtendReservation,
    ReleaseReservation,
    CreateStore,
    UpdateStore,
}

const BEGINNING: [Kind; 4] = [Kind::CreateItem, Kind::CreateItem, Kind::CreateItem, Kind::CreateStore];

/// What a command is made of; each kind takes what it needs.
#[derive(Debug, Clone)]
struct Draw {
    kind: Kind,
    after_millis: i64,
    items: (usize, usize),
    stores: (usize, usize),
    units: (i64, i64),
    ttl: i64,
    /// An id that a client chose, or that of the so-manieth last reservation that was made.
    reservation: Result<u128, usize>,
    flags: (bool, bool, bool),
}

/// So many turns. Ids follow from one random number, so that two histories share no command.
pub fn history(turns: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Turn>> {
    (any::<u128>(), prop::collection::vec(draw(), turns)).prop_map(|(salt, mut draws)| {
        // Something to begin with: else half of a history asks for what is not there yet.
        for (n, draw) in draws.iter_mut().take(BEGINNING.len()).enumerate() {
            draw.kind = BEGINNING[n];
            (draw.items.0, draw.stores.0) = (n.min(2), 1);
        }
        let (mut inventory, mut now) = (Inventory::default(), Timestamp::from_millis(0));
        let turn = |(n, draw): (usize, &Draw)| {
            let asked = asked(salt, n, draw, &inventory.reservations);
            now = now.plus_millis(draw.after_millis);
            inventory.expire(now);
            // Whether it is refused is not told here; what is made is asked for again.
            let _ = inventory.apply(&asked, now);
            Turn { after_millis: draw.after_millis, asked }
        };
        draws.iter().enumerate().map(turn).collect()
    })
}

/// The same turns for the same seed.
pub fn seeded(seed: u64, turns: usize) -> Vec<Turn> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    history(turns..turns + 1).new_tree(&mut runner).expect("nothing is filtered").current()
}

fn draw() -> impl Strategy<Value = Draw> {
    let items = || prop_oneof![20 => 0..SKUS.len() - 1, 1 => Just(SKUS.len() - 1)];
    let stores = || prop_oneof![12 => Just(0_usize), 8 => Just(1), 3 => Just(2), 1 => Just(3)];
    let units = || prop_oneof![12 => 0..12_i64, 2 => 0..100_i64, 1 => Just(999_999_990)];
    let after = prop_oneof![5 => Just(0_i64), 4 => 0..2000_i64, 1 => 0..20_000_i64];
    let reservation = prop_oneof![1 => (0..CHOSEN).prop_map(Ok), 6 => (0..4_usize).prop_map(Err)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let rest = ((items(), items()), (stores(), stores()), (units(), units()), 1..60_i64, reservation, flags);
    (kind(), after, rest).prop_map(|(kind, after_millis, (items, stores, units, ttl, reservation, flags))| Draw {
        kind,
        after_millis,
        items,
        stores,
        units,
        ttl,
        reservation,
        flags,
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::CreateItem),
        2 => Just(Kind::UpdateItem),
        1 => Just(Kind::DeleteItem),
        10 => Just(Kind::AdjustStock),
        8 => Just(Kind::ReserveStock),
        6 => Just(Kind::ReleaseStock),
        4 => Just(Kind::CountStock),
        3 => Just(Kind::ConfigureStock),
        6 => Just(Kind::TransferStock),
        12 => Just(Kind::Reserve),
        8 => Just(Kind::ConfirmReservation),
        4 => Just(Kind::ExtendReservation),
        4 => Just(Kind::ReleaseReservation),
        4 => Just(Kind::CreateStore),
        2 => Just(Kind::UpdateStore),
    ]
}

fn asked(salt: u128, turn: usize, draw: &Draw, made: &[Reservation]) -> Asked {
    let command_id = CommandId::of(IdempotencyId::from_uuid(Uuid::from_u128(salt)), &turn.to_string());
    let chosen = |n: u128| ReservationId::from_uuid(Uuid::from_u128(salt.wrapping_add(n)));
    let sku = Sku::parse(SKUS[draw.items.0]).expect("a SKU");
    let store = StoreId::parse(STORES[draw.stores.0]).expect("a store");
    let known = match draw.reservation {
        Ok(n) => chosen(n),
        Err(ago) => made.iter().rev().nth(ago).map_or(ReservationId::of(command_id), |one| one.id),
    };
    let of = match draw.kind {
        Kind::CreateItem
        | Kind::UpdateItem
        | Kind::DeleteItem
        | Kind::AdjustStock
        | Kind::ReserveStock
        | Kind::ReleaseStock
        | Kind::CountStock
        | Kind::ConfigureStock
        | Kind::TransferStock => AggregateId::Item(ItemId::of(&sku)),
        // Without an id of the client's, it follows from the command's.
        Kind::Reserve => {
            AggregateId::Reservation(draw.reservation.map_or_else(|_| ReservationId::of(command_id), chosen))
        }
        Kind::ConfirmReservation | Kind::ExtendReservation | Kind::ReleaseReservation => {
            AggregateId::Reservation(known)
        }
        Kind::CreateStore | Kind::UpdateStore => AggregateId::Store(store.clone()),
    };
    Asked { command_id, of, command: what(sku, store, draw) }
}

fn what(sku: Sku, store_id: StoreId, draw: &Draw) -> Command {
    let (few, more) = (positive(draw.units.0), Quantity::parse(draw.units.1).expect("in range"));
    let ttl_seconds = Ttl::parse(draw.ttl).expect("in range");
    let (first, second, third) = draw.flags;
    let low_stock_threshold = first.then_some(Quantity::parse(draw.units.1 % 8).expect("in range"));
    let reason = third.then(|| words("because"));
    match draw.kind {
        // The item that is never there is asked for, not made.
        Kind::CreateItem if draw.items.0 == SKUS.len() - 1 => Command::UpdateItem(catalogue(draw)),
        Kind::CreateItem => {
            let quantity = Quantity::parse(draw.units.1 % 100).expect("in range");
            Command::CreateItem { sku, fields: catalogue(draw), quantity }
        }
        Kind::UpdateItem => Command::UpdateItem(catalogue(draw)),
        Kind::DeleteItem => Command::DeleteItem {},
        Kind::AdjustStock => {
            let units = if first { few.units() * 4 % 1_000_000_000 } else { draw.units.1 - draw.units.0 };
            let quantity = Adjustment::parse(if units == 0 { 1 } else { units }).expect("in range");
            let reference = second.then(|| words("ref-1"));
            Command::AdjustStock { store_id, quantity, reason, reference }
        }
        Kind::ReserveStock => Command::ReserveStock { store_id, quantity: few },
        Kind::ReleaseStock => Command::ReleaseStock { store_id, quantity: positive(draw.units.0 % 4) },
        Kind::CountStock => {
            let expected_quantity = first.then_some(Quantity::parse(draw.units.0).expect("in range"));
            Command::CountStock { store_id, quantity: more, expected_quantity, reason }
        }
        Kind::ConfigureStock => Command::ConfigureStock { store_id, low_stock_threshold },
        Kind::TransferStock => {
            let (from, to) = draw.stores;
            let to = if from == to { (to + 1) % STORES.len() } else { to };
            let to_store_id = StoreId::parse(STORES[to]).expect("a store");
            Command::TransferStock { from_store_id: store_id, to_store_id, quantity: few, reason }
        }
        Kind::Reserve => {
            let (customer_id, order_id) = (first.then(|| words("buyer")), second.then(|| words("order-1")));
            Command::Reserve { store_id, lines: lines(draw, 20), customer_id, order_id, ttl_seconds }
        }
        Kind::ConfirmReservation => {
            let order_id = first.then(|| words("order-2"));
            Command::ConfirmReservation { order_id, lines: second.then(|| lines(draw, 4)) }
        }
        Kind::ExtendReservation => Command::ExtendReservation { ttl_seconds },
        Kind::ReleaseReservation => Command::ReleaseReservation {},
        // The store that is never there is asked for, not made.
        Kind::CreateStore if draw.stores.0 == STORES.len() - 1 => Command::UpdateStore(shop(draw)),
        Kind::CreateStore => Command::CreateStore { store_id, fields: shop(draw) },
        Kind::UpdateStore => Command::UpdateStore(shop(draw)),
    }
}

fn positive(units: i64) -> PositiveQuantity {
    PositiveQuantity::parse(units.max(1)).expect("in range")
}

fn words<const MIN: usize, const MAX: usize, const LINES: bool>(text: &str) -> Text<MIN, MAX, LINES> {
    Text::parse(text).expect("valid")
}

fn catalogue(draw: &Draw) -> CatalogueFields {
    let (first, second, third) = draw.flags;
    let price = || Price {
        amount_minor: AmountMinor::parse(draw.units.1).expect("in range"),
        currency: Currency::parse(if third { "EUR" } else { "USD" }).expect("known"),
    };
    CatalogueFields {
        name: words(if second { "A cable" } else { "Another cable" }),
        description: third.then(|| words("Two metres, grey")),
        category: second.then(|| words("cables")),
        price: first.then(price),
        low_stock_threshold: third.then_some(Quantity::parse(draw.units.0 % 8).expect("in range")),
    }
}

fn shop(draw: &Draw) -> StoreFields {
    let (first, second, third) = draw.flags;
    // `main` is never closed; the form of a request says so.
    let active = draw.stores.0 == 0 || first || second;
    StoreFields { name: words(if second { "Shop" } else { "Store" }), location: third.then(|| words("Here")), active }
}

/// One or two; two of one item are summed.
fn lines(draw: &Draw, most: i64) -> Lines {
    let line = |item: usize, units: i64| Line {
        item_id: ItemId::of(&Sku::parse(SKUS[item]).expect("a SKU")),
        quantity: positive(units % most),
    };
    let first = line(draw.items.0, draw.units.0);
    let second = Some(line(draw.items.1, draw.units.1)).filter(|_| draw.flags.2);
    Lines::parse([first].into_iter().chain(second)).expect("few")
}
