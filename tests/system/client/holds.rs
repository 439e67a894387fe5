//! Reservations as a buyer has them, under ids of the buyer's own, so that one is known also if no answer comes.

use serde_json::{Value, json};
use shared::aggregate::AggregateId;
use shared::id::{CommandId, ReservationId};
use shared::text::StoreId;

use super::{Accepted, Shop, answered};

/// An id that nobody has used.
pub(crate) fn new_id() -> ReservationId {
    ReservationId::of(CommandId::fresh())
}

impl Shop {
    /// Creates a store and waits until it is there.
    pub(crate) async fn open_store(&self, store: &str) {
        let of = AggregateId::Store(StoreId::parse(store).expect("a store's id"));
        let body = json!({"storeId": store, "name": store});
        let created = self.ask("StoreCreationRequested", &of, "POST", "/stores", Some(body), None).await;
        assert_eq!(self.outcome(&created.expect("accepted")).await, "applied");
    }

    /// Units come to a store, and are there when this returns.
    pub(crate) async fn deliver(&self, store: &str, sku: &str, quantity: u32) {
        let body = json!({"quantity": quantity, "storeId": store, "reason": "delivered"});
        let path = format!("/sku/{sku}/adjust");
        let adjusted = self.write("StockAdjustmentRequested", "POST", &path, Some(body), None).await;
        assert_eq!(self.outcome(&adjusted.expect("accepted")).await, "applied");
    }

    /// Asks for units until so many seconds after it is applied.
    pub(crate) async fn hold(&self, id: ReservationId, store: &str, sku: &str, ttl_seconds: u32) -> Option<Accepted> {
        let body = json!({
            "reservationId": id, "storeId": store, "sku": sku, "quantity": 1, "ttlSeconds": ttl_seconds
        });
        self.of_hold("ReservationRequested", id, "POST", "/reservations", Some(body)).await
    }

    /// The same for a customer, at the usual store and for the usual time.
    pub(crate) async fn hold_for(&self, id: ReservationId, sku: &str, customer: &str) -> Option<Accepted> {
        let body = json!({"reservationId": id, "sku": sku, "quantity": 1, "customerId": customer});
        self.of_hold("ReservationRequested", id, "POST", "/reservations", Some(body)).await
    }

    pub(crate) async fn confirm(&self, id: ReservationId) -> Option<Accepted> {
        let path = format!("/reservations/{id}/confirm");
        self.of_hold("ReservationConfirmationRequested", id, "POST", &path, Some(json!({}))).await
    }

    pub(crate) async fn cancel(&self, id: ReservationId) -> Option<Accepted> {
        self.of_hold("ReservationReleaseRequested", id, "DELETE", &format!("/reservations/{id}"), None).await
    }

    async fn of_hold(
        &self,
        kind: &str,
        id: ReservationId,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Option<Accepted> {
        let key = CommandId::fresh().to_string();
        self.ask(kind, &AggregateId::Reservation(id), method, path, body, Some(&key)).await
    }

    /// One reservation as query-service shows it, not older than the write that gave the token.
    pub(crate) async fn reservation(&self, id: ReservationId, token: &str) -> Value {
        let path = format!("/api/v1/reservations/{id}");
        answered(self.query(), &path, Some(token)).await.expect(200).json()
    }
}
