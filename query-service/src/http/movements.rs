//! `GET /inventory/movements`: the ledger, who moved what, when and why.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared::clock::Timestamp;
use shared::http::body::Fault;
use shared::http::docs::AnyProblem;
use shared::http::params::Params;
use shared::id::{CommandId, ItemId, ReservationId};
use shared::problem::Problem;
use shared::text::{OrderId, StoreId};
use utoipa::ToSchema;

use super::asked::{self, Sent};
use super::docs::QueryProblems;
use super::{Api, answer};
use crate::cache::entry::written;
use crate::cursor;
use crate::query::movements::{Movement, MovementFilter, TYPES};
use crate::query::walk::Page;

const NAME: &str = "movements";
const DEFAULT_LIMIT: u32 = 50;

/// A page of the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Movements)]
struct MovementsView {
    /// The newest first.
    movements: Vec<MovementView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One step of the stock of an item at a store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Movement)]
struct MovementView {
    /// Its place in the one order of everything that happened.
    #[schema(minimum = 1, example = 42)]
    sequence: u64,
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:10:00.000Z")]
    occurred_at: Timestamp,
    /// The fact that tells why.
    #[serde(rename = "type")]
    #[schema(example = "StockReserved")]
    kind: String,
    #[schema(value_type = uuid::Uuid, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: ItemId,
    #[schema(example = "PROD-001")]
    sku: String,
    #[schema(example = "main")]
    store_id: String,
    change: Change,
    after: After,
    /// Of the level after it.
    #[schema(minimum = 1, example = 3)]
    version: u64,
    /// `null` if nobody said.
    #[schema(required, example = "delivery")]
    reason: Option<String>,
    /// `null` if nobody said.
    #[schema(required, example = "DN-2211")]
    reference: Option<String>,
    /// Who asked; `system` for an expiry.
    #[schema(example = "anonymous")]
    actor: String,
    /// `null` if it was for no order.
    #[schema(required, example = "order-42")]
    order_id: Option<String>,
    /// `null` if it was for no reservation, or for several.
    #[schema(value_type = Option<uuid::Uuid>, required)]
    reservation_id: Option<ReservationId>,
    /// `null` for an expiry, which nobody asked for.
    #[schema(value_type = Option<uuid::Uuid>, required)]
    command_id: Option<CommandId>,
}

/// Signed numbers of units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MovementChange)]
struct Change {
    #[schema(example = 0)]
    quantity: i64,
    #[schema(example = 2)]
    reserved: i64,
}

/// The level after a movement.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MovementAfter)]
struct After {
    #[schema(minimum = 0, example = 100)]
    quantity: i64,
    #[schema(minimum = 0, example = 5)]
    reserved: i64,
    #[schema(minimum = 0, example = 95)]
    available: i64,
}

/// The ledger, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/movements",
    operation_id = "list_movements",
    tag = "history",
    params(
        ("itemId" = Option<uuid::Uuid>, Query, description = "Of this item, deleted or not"),
        ("storeId" = Option<String>, Query, description = "At this store", example = "main"),
        ("orderId" = Option<String>, Query, description = "For this order", min_length = 1, max_length = 64, example = "order-42"),
        ("type" = Option<String>, Query, description = "`StockAdjusted`, `StockReserved`, `StockReleased`, `StockIssued`, `StockSettingsChanged`, `StockTransferred` or `StockCounted`", example = "StockReserved"),
        ("from" = Option<String>, Query, description = "At this time (RFC 3339) or later"),
        ("to" = Option<String>, Query, description = "At this time (RFC 3339) or earlier"),
        ("limit" = Option<u32>, Query, description = "50 if absent", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before, with the same filters"),
    ),
    responses(
        (status = 200, description = "The page. One request looks at 20,000 movements at most, so a page can be short or empty and yet have a `nextCursor`", body = MovementsView),
        QueryProblems,
        AnyProblem,
    ),
)]
pub(super) async fn movements(State(api): State<Arc<Api>>, sent: Box<Sent>) -> Result<Response, Problem> {
    let (tokens, mut parameters) = sent.tokens_and_parameters()?;
    let filter = filter(&mut parameters);
    let limit = asked::limit(&mut parameters, DEFAULT_LIMIT);
    let greatest = asked::greatest(&mut parameters, NAME, &filter);
    parameters.finish()?;
    api.wait_for(&tokens).await?;
    let found = api.model.movements(filter.clone(), greatest, limit as usize).await?;
    Ok(answer::plain(found.map(|page| written(&MovementsView::of(page, &filter)))))
}

fn filter(parameters: &mut Params) -> MovementFilter {
    MovementFilter {
        item_id: parameters.optional("itemId", asked::id),
        store_id: parameters.optional("storeId", |text| Ok(StoreId::parse(text)?)),
        order_id: parameters.optional("orderId", |text| Ok(OrderId::parse(text)?)),
        kind: parameters.optional("type", kind),
        from: parameters.optional("from", asked::time),
        to: parameters.optional("to", asked::time),
    }
}

fn kind(text: &str) -> Result<&'static str, Fault> {
    let known = TYPES.into_iter().find(|kind| *kind == text);
    known.ok_or_else(|| Fault("INVALID_FORMAT", format!("must be one of {}", TYPES.join(", "))))
}

impl MovementsView {
    fn of(page: Page<Movement>, filter: &MovementFilter) -> Self {
        let next_cursor = page.next.map(|next| cursor::write(NAME, filter, &next.to_string()));
        Self { movements: page.rows.into_iter().map(MovementView::of).collect(), next_cursor }
    }
}

impl MovementView {
    fn of(movement: Movement) -> Self {
        Self {
            sequence: movement.sequence,
            occurred_at: movement.occurred_at,
            kind: movement.kind,
            item_id: movement.item_id,
            sku: movement.sku,
            store_id: movement.store_id,
            change: Change { quantity: movement.quantity_change, reserved: movement.reserved_change },
            after: After {
                quantity: movement.quantity,
                reserved: movement.reserved,
                available: movement.quantity - movement.reserved,
            },
            version: movement.version,
            reason: movement.reason,
            reference: movement.reference,
            actor: movement.actor,
            order_id: movement.order_id,
            reservation_id: movement.reservation_id,
            command_id: movement.command_id,
        }
    }
}
