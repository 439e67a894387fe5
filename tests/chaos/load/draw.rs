//! What a client asks for next.

use serde_json::{Value, json};
use shared::aggregate::AggregateId;
use shared::id::{ItemId, ReservationId};
use shared::text::Sku;
use uuid::Uuid;

use super::{HOT, Level, Request, SKUS, STORES, item, sku};

/// How many of its own reservations a client remembers.
const HOLDS: usize = 40;

/// A reservation that its client may still want something of.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    id: ReservationId,
    lines: Vec<(String, u32)>,
}

/// Draws, from its own numbers alone.
pub(super) struct Draw {
    pub(super) rng: fastrand::Rng,
    holds: Vec<Hold>,
}

impl Draw {
    pub(super) fn new(rng: fastrand::Rng) -> Self {
        Self { rng, holds: Vec::new() }
    }

    pub(super) fn key(&mut self) -> String {
        format!("{:032x}", self.rng.u128(..))
    }

    fn sku(&mut self) -> String {
        let among = if self.rng.bool() { HOT } else { SKUS };
        sku(self.rng.usize(..among))
    }

    fn store(&mut self) -> &'static str {
        STORES[self.rng.usize(..STORES.len())]
    }

    fn units(&mut self, most: u32) -> u32 {
        self.rng.u32(1..=most)
    }

    /// The next write.
    pub(super) fn next(&mut self) -> Request {
        match self.rng.u32(..100) {
            0..=21 => self.adjust(),
            22..=35 => self.simple("StockReservationRequested", "reserve"),
            36..=43 => self.simple("StockReleaseRequested", "release"),
            44..=61 => self.hold(),
            62..=71 => self.confirm(),
            72..=76 => self.extend(),
            77..=80 => self.cancel(),
            81..=88 => self.transfer(),
            89..=93 => self.count(),
            94..=95 => self.threshold(),
            96..=97 => self.rename(),
            _ => self.create_or_delete(),
        }
    }

    /// The same under a key of its own.
    pub(super) fn next_with_key(&mut self) -> Request {
        let request = self.next();
        Request { key: Some(self.key()), ..request }
    }

    /// Of a level, by its SKU.
    fn of_level(&mut self, kind: &'static str, action: &str, body: impl FnOnce(&mut Self, &str) -> Value) -> Request {
        let level = Level { sku: self.sku(), store: self.store() };
        let body = body(self, level.store);
        let path = format!("/inventory/items/sku/{}/{action}", level.sku);
        let of = item(&level.sku);
        Request { kind, of, method: "POST", path, body: Some(body), key: None, level: Some(level) }
    }

    fn adjust(&mut self) -> Request {
        self.of_level("StockAdjustmentRequested", "adjust", |draw, store| {
            let units = i64::from(draw.units(12));
            let quantity = if draw.rng.u32(..3) == 0 { -units } else { units };
            json!({"quantity": quantity, "storeId": store, "reason": "chaos"})
        })
    }

    fn simple(&mut self, kind: &'static str, action: &str) -> Request {
        self.of_level(kind, action, |draw, store| json!({"quantity": draw.units(4), "storeId": store}))
    }

    fn count(&mut self) -> Request {
        self.of_level("StockCountRequested", "count", |draw, store| {
            let expected = if draw.rng.bool() { Value::Null } else { draw.units(60).into() };
            json!({"quantity": draw.rng.u32(..60), "expectedQuantity": expected, "storeId": store})
        })
    }

    fn hold(&mut self) -> Request {
        let id = ReservationId::from_uuid(Uuid::from_u128(self.rng.u128(..)));
        let mut lines = vec![(self.sku(), self.units(4))];
        if self.rng.u32(..3) == 0 {
            lines.push((self.sku(), self.units(4)));
        }
        // Some end by their deadline during the run, most do not.
        let ttl = if self.rng.u32(..3) == 0 { self.rng.u32(1..20) } else { self.rng.u32(600..86_400) };
        let named: Vec<Value> = lines.iter().map(|(sku, units)| json!({"sku": sku, "quantity": units})).collect();
        let body = json!({"reservationId": id, "storeId": self.store(), "lines": named, "ttlSeconds": ttl});
        self.remember(Hold { id, lines });
        of_hold("ReservationRequested", id, "POST", "/reservations".to_owned(), Some(body))
    }

    fn remember(&mut self, hold: Hold) {
        if self.holds.len() == HOLDS {
            let oldest = self.rng.usize(..HOLDS);
            self.holds.swap_remove(oldest);
        }
        self.holds.push(hold);
    }

    /// One of its own; now and then one that there is not.
    fn held(&mut self) -> Hold {
        if self.holds.is_empty() || self.rng.u32(..50) == 0 {
            let id = ReservationId::from_uuid(Uuid::from_u128(self.rng.u128(..)));
            return Hold { id, lines: vec![(self.sku(), 1)] };
        }
        let index = self.rng.usize(..self.holds.len());
        // What has been asked to end is sometimes asked again.
        if self.rng.u32(..4) == 0 { self.holds[index].clone() } else { self.holds.swap_remove(index) }
    }

    fn confirm(&mut self) -> Request {
        let Hold { id, lines } = self.held();
        let body = if self.rng.u32(..3) == 0 {
            let (sku, units) = &lines[self.rng.usize(..lines.len())];
            json!({"lines": [{"sku": sku, "quantity": self.rng.u32(1..=*units)}]})
        } else {
            json!({"orderId": format!("order-{}", self.rng.u16(..))})
        };
        let path = format!("/reservations/{id}/confirm");
        of_hold("ReservationConfirmationRequested", id, "POST", path, Some(body))
    }

    fn extend(&mut self) -> Request {
        let hold = self.held();
        let (id, ttl) = (hold.id, self.rng.u32(1..40));
        self.remember(hold);
        let path = format!("/reservations/{id}/extend");
        of_hold("ReservationExtensionRequested", id, "POST", path, Some(json!({"ttlSeconds": ttl})))
    }

    fn cancel(&mut self) -> Request {
        let id = self.held().id;
        of_hold("ReservationReleaseRequested", id, "DELETE", format!("/reservations/{id}"), None)
    }

    fn transfer(&mut self) -> Request {
        let sku = self.sku();
        let from = self.rng.usize(..STORES.len());
        let to = (from + self.rng.usize(1..STORES.len())) % STORES.len();
        let body = json!({
            "sku": sku, "fromStoreId": STORES[from], "toStoreId": STORES[to], "quantity": self.units(5)
        });
        let of = item(&sku);
        // Its outcome's version is that of where the units came from.
        let level = Some(Level { sku, store: STORES[from] });
        let path = "/inventory/transfers".to_owned();
        Request { kind: "StockTransferRequested", of, method: "POST", path, body: Some(body), key: None, level }
    }

    fn threshold(&mut self) -> Request {
        let level = Level { sku: self.sku(), store: self.store() };
        let path = format!("/inventory/items/sku/{}/stores/{}", level.sku, level.store);
        let body = Some(json!({"lowStockThreshold": self.rng.u32(..10)}));
        let of = item(&level.sku);
        Request { kind: "StockSettingsRequested", of, method: "PUT", path, body, key: None, level: Some(level) }
    }

    fn rename(&mut self) -> Request {
        let sku = self.sku();
        let body = json!({"name": format!("Thing {}", self.rng.u16(..)), "lowStockThreshold": self.rng.u32(..8)});
        of_item("ItemUpdateRequested", &sku, "PUT", format!("/inventory/items/sku/{sku}"), Some(body))
    }

    /// What was deleted is created again by whoever comes by; most often it is refused, for there it is.
    fn create_or_delete(&mut self) -> Request {
        let sku = self.sku();
        if self.rng.u32(..4) == 0 {
            return of_item("ItemDeletionRequested", &sku, "DELETE", format!("/inventory/items/sku/{sku}"), None);
        }
        let body = json!({"sku": sku, "name": "Again", "quantity": self.rng.u32(..40)});
        of_item("ItemCreationRequested", &sku, "POST", "/inventory/items".to_owned(), Some(body))
    }

    /// What the service refuses for its form.
    pub(super) fn malformed(&mut self) -> Request {
        let mut request = self.adjust();
        let faults = [json!({"quantity": 0}), json!({"quantity": 1.5}), json!({"quantity": 1, "colour": "red"})];
        request.body = Some(faults[self.rng.usize(..faults.len())].clone());
        request
    }
}

fn of_hold(kind: &'static str, id: ReservationId, method: &'static str, path: String, body: Option<Value>) -> Request {
    Request { kind, of: AggregateId::Reservation(id), method, path, body, key: None, level: None }
}

fn of_item(kind: &'static str, sku: &str, method: &'static str, path: String, body: Option<Value>) -> Request {
    let of = AggregateId::Item(ItemId::of(&Sku::parse(sku).expect("a SKU")));
    Request { kind, of, method, path, body, key: None, level: None }
}
