//! Which facts each type of request may cause, in which order, and which of them its outcome speaks of.

use shared::aggregate::AggregateKind;

use super::fact::Change;
use super::step::{Cause, Fact};

/// So many facts of these types, one after another.
struct Part {
    types: &'static [&'static str],
    at_least: usize,
    at_most: usize,
}

const fn one(types: &'static [&'static str]) -> Part {
    Part { types, at_least: 1, at_most: 1 }
}

const fn some(types: &'static [&'static str]) -> Part {
    Part { types, at_least: 1, at_most: usize::MAX }
}

const fn any(types: &'static [&'static str]) -> Part {
    Part { types, at_least: 0, at_most: usize::MAX }
}

const ADJUSTED: &[&str] = &["StockAdjusted"];
const RESERVED: &[&str] = &["StockReserved"];
const RELEASED: &[&str] = &["StockReleased"];

/// By the type of the request; edge facts may follow each.
const REQUESTS: [(&str, &[Part]); 15] = [
    ("ItemCreationRequested", &[one(&["InventoryItemCreated"]), Part { types: ADJUSTED, at_least: 0, at_most: 1 }]),
    ("ItemUpdateRequested", &[one(&["InventoryItemUpdated"])]),
    ("ItemDeletionRequested", &[any(ADJUSTED), one(&["InventoryItemDeleted"])]),
    ("StockAdjustmentRequested", &[one(ADJUSTED)]),
    ("StockReservationRequested", &[one(&["ReservationCreated"]), one(RESERVED)]),
    ("StockReleaseRequested", &[one(RELEASED), some(&["ReservationReleased"])]),
    ("StockCountRequested", &[one(ADJUSTED), one(&["StockCounted"])]),
    ("StockSettingsRequested", &[one(&["StockSettingsChanged"])]),
    ("StockTransferRequested", &[one(ADJUSTED), one(ADJUSTED), one(&["StockTransferred"])]),
    ("ReservationRequested", &[one(&["ReservationCreated"]), some(RESERVED)]),
    ("ReservationConfirmationRequested", &[some(&["StockIssued", "StockReleased"]), one(&["ReservationConfirmed"])]),
    ("ReservationExtensionRequested", &[one(&["ReservationExtended"])]),
    ("ReservationReleaseRequested", &[some(RELEASED), one(&["ReservationReleased"])]),
    ("StoreCreationRequested", &[one(&["StoreCreated"])]),
    ("StoreUpdateRequested", &[one(&["StoreUpdated"])]),
];

/// Before there were reservations.
const OLD_REQUESTS: [(&str, &[Part]); 2] =
    [("StockReservationRequested", &[one(RESERVED)]), ("StockReleaseRequested", &[one(RELEASED)])];

const EXPIRY: &[Part] = &[one(&["ReservationExpired"]), some(RELEASED)];
const OPENING: &[Part] = &[one(&["ReservationCreated"])];
const EDGES: Part = any(&["StockDepleted", "StockReplenished", "LowStock"]);

/// What is wrong with all that one cause did; `asked` is the type of the request, where that is still known.
pub(super) fn fault(cause: Cause, asked: Option<&str>, facts: &[Fact<'_>]) -> Option<String> {
    let types: Vec<&str> = facts.iter().map(|fact| fact.message.change.event_type()).collect();
    let is_old = facts.iter().any(|fact| fact.message.actor.is_none());
    let fits = match cause {
        Cause::Expiry(_) => follows(EXPIRY, &types),
        Cause::Opening(_) => follows(OPENING, &types),
        Cause::Nothing => true, // told elsewhere
        Cause::Command(_) if types == ["CommandRejected"] => true,
        Cause::Command(_) => {
            let old: &[(&str, &[Part])] = if is_old { &OLD_REQUESTS } else { &[] };
            let mut shapes = old.iter().chain(&REQUESTS);
            shapes.any(|(request, parts)| asked.is_none_or(|asked| asked == *request) && follows(parts, &types))
        }
    };
    (!fits).then(|| format!("{} may not cause {types:?}", asked.unwrap_or("it")))
}

fn follows(parts: &[Part], types: &[&str]) -> bool {
    let mut rest = types;
    for part in parts.iter().chain([&EDGES]) {
        let fitting = rest.iter().take_while(|event| part.types.contains(*event)).count().min(part.at_most);
        if fitting < part.at_least {
            return false;
        }
        rest = &rest[fitting..];
    }
    rest.is_empty()
}

/// What a request of this type is asked of.
pub(super) fn kind(request_type: &str) -> Option<AggregateKind> {
    REQUESTS.iter().find(|(known, _)| *known == request_type)?;
    Some(if request_type.starts_with("Reservation") {
        AggregateKind::Reservation
    } else if request_type.starts_with("Store") {
        AggregateKind::Store
    } else {
        AggregateKind::Item
    })
}

/// The version that an applied command's outcome tells: of the item, the reservation or the store, or of the level, which
/// for a transfer is the one that units left.
pub(super) fn version(request_type: &str, facts: &[Fact<'_>]) -> Option<i64> {
    let is_own = |fact: &&Fact<'_>| {
        let change = &fact.message.change;
        if request_type.starts_with("Stock") {
            change.moves().is_some_and(|delta| request_type != "StockTransferRequested" || delta.quantity < 0)
        } else if request_type.starts_with("Reservation") {
            change.reservation().is_some()
        } else if request_type.starts_with("Store") {
            matches!(change, Change::StoreCreated(_) | Change::StoreUpdated(_))
        } else {
            change.event_type().starts_with("InventoryItem")
        }
    };
    facts.iter().rfind(is_own).map(|fact| fact.message.aggregate_version)
}
