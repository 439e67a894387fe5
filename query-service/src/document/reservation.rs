//! A reservation as clients get it. What it shows depends on the moment: past its deadline it reads `expired` at once,
//! and the writer says so soon after.

use serde::Serialize;
use shared::clock::Timestamp;
use shared::etag::ETag;
use shared::id::{ItemId, ReservationId};
use shared::read_model::{StoredLine, StoredReservation};
use shared::reservation::ReservationStatus;
use utoipa::ToSchema;

/// A reservation at a moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reservation)]
pub(crate) struct ReservationView {
    #[schema(value_type = uuid::Uuid, example = "0190a5b2-7c1e-7f3a-9d2e-3c4b5a697881")]
    reservation_id: ReservationId,
    /// `expired` as soon as the deadline has passed by the reader's clock; the writer journals it within a second.
    status: ReservationStatus,
    /// Whose stock it holds.
    #[schema(example = "main")]
    store_id: String,
    /// For whom; `null` if nobody said.
    #[schema(required, example = "customer-7")]
    customer_id: Option<String>,
    /// For what; `null` if nobody said.
    #[schema(required, example = "order-42")]
    order_id: Option<String>,
    /// One an item, in the order of the request.
    lines: Vec<LineView>,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    created_at: Timestamp,
    /// `null` if it has no deadline.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-11-22T10:20:00.000Z")]
    expires_at: Option<Timestamp>,
    /// Until the deadline, rounded up; 0 once it is past or the reservation has ended; `null` without a deadline.
    #[schema(required, minimum = 0, example = 540)]
    remaining_seconds: Option<i64>,
    /// When the writer ended it; `null` before.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    ended_at: Option<Timestamp>,
    /// Goes up by one with each change.
    #[schema(minimum = 1, example = 1)]
    version: u64,
}

/// What a reservation holds, or held, of one item.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReservationLine)]
struct LineView {
    #[schema(value_type = uuid::Uuid, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: ItemId,
    #[schema(example = "PROD-001")]
    sku: String,
    /// Units reserved at first.
    #[schema(minimum = 1, example = 2)]
    quantity: i64,
    /// Of these, issued.
    #[schema(minimum = 0, example = 0)]
    confirmed: i64,
    /// Of these, given back.
    #[schema(minimum = 0, example = 0)]
    released: i64,
}

/// What a reservation shows at `now`.
pub(crate) fn status_at(stored: &StoredReservation, now: Timestamp) -> ReservationStatus {
    let is_due = stored.expires_at.is_some_and(|deadline| deadline <= now);
    if stored.status == ReservationStatus::Pending && is_due { ReservationStatus::Expired } else { stored.status }
}

impl ReservationView {
    /// The reservation as clients see it at `now`.
    pub(crate) fn of(stored: &StoredReservation, now: Timestamp) -> Self {
        let status = status_at(stored, now);
        let left = |deadline: Timestamp| (deadline.millis() - now.millis() + 999).div_euclid(1000).max(0);
        let has_ended = status != ReservationStatus::Pending;
        Self {
            reservation_id: stored.id,
            status,
            store_id: stored.store_id.clone(),
            customer_id: stored.customer_id.clone(),
            order_id: stored.order_id.clone(),
            lines: stored.lines.iter().map(LineView::of).collect(),
            created_at: stored.created_at,
            expires_at: stored.expires_at,
            remaining_seconds: stored.expires_at.map(|deadline| if has_ended { 0 } else { left(deadline) }),
            ended_at: stored.ended_at,
            version: stored.version,
        }
    }

    /// Its tag, and whether that stands for all that is shown: a reservation whose deadline has passed shows another
    /// status than before under the same version, until the writer has said so.
    pub(crate) fn tag(&self, stored: &StoredReservation) -> (ETag, bool) {
        (ETag::Reservation { version: stored.version }, self.status == stored.status)
    }
}

impl LineView {
    fn of(line: &StoredLine) -> Self {
        Self {
            item_id: line.item_id,
            sku: line.sku.clone(),
            quantity: line.quantity,
            confirmed: line.confirmed,
            released: line.released,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(status: ReservationStatus, expires_at: Option<i64>) -> StoredReservation {
        StoredReservation {
            id: ReservationId::from_uuid(uuid::Uuid::nil()),
            status,
            store_id: "main".to_owned(),
            customer_id: None,
            order_id: None,
            simple: false,
            lines: Vec::new(),
            created_at: Timestamp::from_millis(0),
            expires_at: expires_at.map(Timestamp::from_millis),
            ended_at: None,
            version: 1,
            number: 1,
            as_of: 1,
        }
    }

    fn shown(stored: &StoredReservation, now: i64) -> (ReservationStatus, Option<i64>, bool) {
        let view = ReservationView::of(stored, Timestamp::from_millis(now));
        (view.status, view.remaining_seconds, view.tag(stored).1)
    }

    #[test]
    fn the_seconds_left_are_rounded_up_until_the_deadline_ends_it() {
        use ReservationStatus::{Expired, Pending};
        let pending = stored(Pending, Some(10_000));
        for (now, expected) in [
            (0, (Pending, Some(10), true)),
            (1, (Pending, Some(10), true)),
            (9_000, (Pending, Some(1), true)),
            (9_999, (Pending, Some(1), true)),
            (10_000, (Expired, Some(0), false)),
            (99_000, (Expired, Some(0), false)),
        ] {
            assert_eq!(shown(&pending, now), expected, "{now}");
        }
    }

    #[test]
    fn what_has_ended_has_no_time_left_and_what_has_no_deadline_tells_none() {
        use ReservationStatus::{Confirmed, Expired, Pending};
        assert_eq!(shown(&stored(Confirmed, Some(10_000)), 0), (Confirmed, Some(0), true));
        assert_eq!(shown(&stored(Expired, Some(10_000)), 20_000), (Expired, Some(0), true));
        assert_eq!(shown(&stored(Pending, None), 0), (Pending, None, true));
        assert_eq!(shown(&stored(Confirmed, None), 0), (Confirmed, None, true));
    }
}
