//! Units on hand: adjusted, counted, moved between stores; and what a level is held to.

use shared::message::Fact;
use shared::outcome::RejectionCode;
use shared::quantity::{Adjustment, MAX_UNITS, PositiveQuantity, Quantity};
use shared::text::{Reason, Reference, StoreId};

use super::{Rejection, Subject, fixed_reason, insufficient_stock, units};
use crate::domain::draft::{Delta, Draft, Place};
use crate::domain::{Aggregate, Change, Level};

pub(super) fn adjust(
    subject: &Subject<'_>,
    store: &StoreId,
    adjustment: Adjustment,
    reason: Option<&Reason>,
    reference: Option<&Reference>,
) -> Result<Vec<Change>, Rejection> {
    let (place, level) = subject.expected_level(store)?;
    may_change(level, adjustment.units())?;
    let mut draft = Draft::of(subject.situation);
    draft.adjust(place, adjustment.units(), reason.cloned(), reference.cloned());
    Ok(draft.finish())
}

pub(super) fn count(
    subject: &Subject<'_>,
    store: &StoreId,
    counted: Quantity,
    expected: Option<Quantity>,
    reason: Option<&Reason>,
) -> Result<Vec<Change>, Rejection> {
    let (place, level) = subject.expected_level(store)?;
    if let Some(expected) = units(expected).filter(|&expected| expected != level.quantity) {
        let detail = format!("expected {expected} on hand, actual {}", level.quantity);
        return Err(Rejection { code: RejectionCode::QuantityChanged, detail, version: level.version });
    }
    if counted.units() < level.reserved {
        let detail = format!("counted {}, reserved {}", counted.units(), level.reserved);
        return Err(Rejection { code: RejectionCode::InsufficientStock, detail, version: level.version });
    }
    let adjustment = counted.units() - level.quantity;
    let mut draft = Draft::of(subject.situation);
    draft.adjust(place, adjustment, reason.cloned().or_else(|| Some(fixed_reason("count"))), None);
    draft.remark(place, |after| Fact::StockCounted {
        level: after,
        counted_quantity: counted.units(),
        previous_quantity: level.quantity,
        reason: reason.cloned(),
    });
    Ok(draft.finish())
}

pub(super) fn transfer(
    subject: &Subject<'_>,
    from: &StoreId,
    to: &StoreId,
    quantity: PositiveQuantity,
    reason: Option<&Reason>,
) -> Result<Vec<Change>, Rejection> {
    let (source, level) = subject.expected_level(from)?;
    let (target, target_level) = subject.level(to)?;
    may_change(level, -quantity.units())?;
    may_change(target_level, quantity.units()).map_err(|rejection| Rejection {
        detail: format!("{to}: {}", rejection.detail),
        version: level.version,
        ..rejection
    })?;
    let why = reason.cloned().or_else(|| Some(fixed_reason("transfer")));
    let mut draft = Draft::of(subject.situation);
    draft.adjust(source, -quantity.units(), why.clone(), None);
    draft.adjust(target, quantity.units(), why, None);
    let fact = Fact::StockTransferred {
        item_id: subject.item_id,
        sku: source.sku.clone(),
        from_store_id: from.clone(),
        to_store_id: to.clone(),
        quantity: quantity.units(),
        reason: reason.cloned(),
    };
    draft.note(fact, level.version + 1);
    Ok(draft.finish())
}

pub(super) fn configure(
    subject: &Subject<'_>,
    store: &StoreId,
    low_stock_threshold: Option<Quantity>,
) -> Result<Vec<Change>, Rejection> {
    let (place, _) = subject.expected_level(store)?;
    let of_item = subject.aggregate().and_then(Aggregate::live).and_then(|item| item.low_stock_threshold);
    let mut draft = Draft::of(subject.situation);
    draft.step(place, Delta::default(), |level| Fact::StockSettingsChanged { level, low_stock_threshold });
    draft.set_threshold(place, units(low_stock_threshold).or(of_item));
    Ok(draft.finish())
}

/// Neither below what is reserved nor above what a level may hold.
fn may_change(level: Level, adjustment: i64) -> Result<(), Rejection> {
    let after = level.quantity + adjustment;
    if after > MAX_UNITS {
        let detail = format!("{after} units would be on hand, and at most {MAX_UNITS} may be");
        return Err(Rejection { code: RejectionCode::QuantityOutOfRange, detail, version: level.version });
    }
    if after < level.reserved {
        return Err(insufficient_stock(level, -adjustment));
    }
    Ok(())
}

impl<'a> Draft<'a> {
    /// Changes what is on hand.
    pub(super) fn adjust(
        &mut self,
        place: Place<'a>,
        adjustment: i64,
        reason: Option<Reason>,
        reference: Option<Reference>,
    ) {
        let delta = Delta { quantity: adjustment, reserved: 0 };
        self.step(place, delta, |level| {
            let new_quantity = level.total_quantity;
            let previous_quantity = new_quantity - adjustment;
            Fact::StockAdjusted { level, adjustment, previous_quantity, new_quantity, reason, reference }
        });
    }
}
