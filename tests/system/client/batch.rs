//! Many writes in one request, each under its key, sent again until all are taken.

use std::time::Instant;

use serde_json::{Value, json};
use shared::aggregate::AggregateId;
use shared::id::{ItemId, ReservationId};
use shared::text::Sku;

use super::{Accepted, PATIENCE, RETRY_AFTER, Shop, accepted};

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The `eventType` of its request.
    kind: &'static str,
    of: AggregateId,
    fields: Value,
}

impl Row {
    /// `fields` has the type, the SKU and all else but the key.
    pub(crate) fn of_item(kind: &'static str, sku: &str, fields: Value) -> Self {
        Self { kind, of: AggregateId::Item(ItemId::of(&Sku::parse(sku).expect("a SKU"))), fields }
    }

    pub(crate) fn hold(id: ReservationId, store: &str, sku: &str, ttl_seconds: i64) -> Self {
        let fields = json!({
            "type": "reservation", "reservationId": id, "storeId": store, "sku": sku, "quantity": 1,
            "ttlSeconds": ttl_seconds
        });
        Self { kind: "ReservationRequested", of: AggregateId::Reservation(id), fields }
    }

    fn under(&self, key: &str) -> Value {
        let mut fields = self.fields.clone();
        fields["idempotencyKey"] = key.into();
        fields
    }
}

impl Shop {
    /// Sends up to a thousand rows, each under `key` and its place; what was not taken is sent again.
    pub(crate) async fn batch(&self, key: &str, rows: &[Row]) -> Vec<Accepted> {
        let mut taken: Vec<Option<Accepted>> = vec![None; rows.len()];
        let began = Instant::now();
        loop {
            let open: Vec<usize> = (0..rows.len()).filter(|&place| taken[place].is_none()).collect();
            let Some(first) = open.first() else { break };
            assert!(began.elapsed() < PATIENCE, "row {first} of {key} was never taken");
            let commands: Vec<Value> = open.iter().map(|&place| rows[place].under(&format!("{key}-{place}"))).collect();
            let body = json!({"commands": commands});
            let answer = self.command().post("/api/v1/inventory/batches", &body).await;
            if answer.status == 503 {
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
            let told = answer.expect(202).json();
            for (&place, result) in open.iter().zip(told["results"].as_array().expect("a result for each row")) {
                if result["status"] == "accepted" {
                    let accepted = accepted(result);
                    self.remember(rows[place].kind, &rows[place].of, Some(accepted.command_id), true);
                    taken[place] = Some(accepted);
                } else {
                    let code = &result["problem"]["code"];
                    assert!(code == "BROKER_UNAVAILABLE" || code == "OUTCOME_UNKNOWN", "{result}");
                }
            }
        }
        taken.into_iter().map(|taken| taken.expect("the loop ends with all")).collect()
    }
}
