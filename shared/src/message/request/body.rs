//! The bodies of requests as they are read, where that is not how they are written; [`Command`](super::Command) is chosen by
//! `eventType`.

use serde::Deserialize;

use super::{
    Adjustment, CatalogueFields, CustomerId, Lines, OrderId, PositiveQuantity, Quantity, Reason, Reference, Sku,
    StoreFields, StoreId, Ttl,
};

#[derive(Deserialize)]
pub(crate) struct CreateItem {
    pub sku: Sku,
    #[serde(flatten)]
    pub fields: CatalogueFields,
    #[serde(default)]
    pub quantity: Quantity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdjustStock {
    #[serde(default = "StoreId::main")]
    pub store_id: StoreId,
    pub quantity: Adjustment,
    pub reason: Option<Reason>,
    pub reference: Option<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MoveStock {
    #[serde(default = "StoreId::main")]
    pub store_id: StoreId,
    pub quantity: PositiveQuantity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CountStock {
    #[serde(default = "StoreId::main")]
    pub store_id: StoreId,
    pub quantity: Quantity,
    pub expected_quantity: Option<Quantity>,
    pub reason: Option<Reason>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigureStock {
    pub store_id: StoreId,
    pub low_stock_threshold: Option<Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferStock {
    pub from_store_id: StoreId,
    pub to_store_id: StoreId,
    pub quantity: PositiveQuantity,
    pub reason: Option<Reason>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reserve {
    #[serde(default = "StoreId::main")]
    pub store_id: StoreId,
    pub lines: Lines,
    pub customer_id: Option<CustomerId>,
    pub order_id: Option<OrderId>,
    #[serde(default = "default_ttl")]
    pub ttl_seconds: Ttl,
}

fn default_ttl() -> Ttl {
    Ttl::DEFAULT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfirmReservation {
    pub order_id: Option<OrderId>,
    pub lines: Option<Lines>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExtendReservation {
    pub ttl_seconds: Ttl,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateStore {
    pub store_id: StoreId,
    #[serde(flatten)]
    pub fields: StoreFields,
}
