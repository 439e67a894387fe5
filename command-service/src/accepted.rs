//! The 202: the command has an id, the log has it, and here is where its outcome will be.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::aggregate::AggregateId;
use shared::http::docs::text_header;
use shared::id::{CommandId, ItemId, ReservationId};
use shared::json::{ObjectWriter, name};
use shared::message::CONTENT_TYPE_JSON;
use shared::text::StoreId;
use shared::token::ConsistencyToken;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as ResponseDoc, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::config::QueryBaseUrl;
use crate::message::Receipt;

pub(crate) const X_CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("x-consistency-token");

/// Room for nearly every body, so that it need not grow while it is written.
const USUAL_BYTES: usize = 512;
/// Of a 202, with the request's id, which every answer has.
const HEADERS: usize = 5;

/// The body of a 202.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted {
    /// Names the command; a retry with the same Idempotency-Key gets the same.
    #[schema(value_type = Uuid, example = "0199c5a2-7d52-7cc1-a2ce-5a6f2f6f7a10")]
    command_id: CommandId,
    /// Always `accepted`: the writer has not decided yet.
    #[schema(pattern = "^accepted$", example = "accepted")]
    status: &'static str,
    /// The item that the command is for, if it is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Uuid, required = false, nullable = false, example = "5ba52b28-0660-54e0-a935-615efcb68195")]
    item_id: Option<ItemId>,
    /// The reservation that the command makes or is for, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Uuid, required = false, nullable = false, example = "8d0d8a3c-6a1e-5a54-9d1e-0d9c6f9a1f55")]
    reservation_id: Option<ReservationId>,
    /// The store that the command is for, if it is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, nullable = false, example = "berlin")]
    store_id: Option<StoreId>,
    /// Send it back as `X-Consistency-Token` to read what this command did. Opaque.
    #[schema(example = "NDJATWtVM09FVkJOVGN3TlRKRU5ETTJRZw")]
    consistency_token: String,
    /// Where the outcome will be, on query-service.
    #[schema(
        format = "uri",
        example = "http://127.0.0.1:8081/api/v1/commands/0199c5a2-7d52-7cc1-a2ce-5a6f2f6f7a10?token=NDJATWtVM09FVkJOVGN3TlRKRU5ETTJRZw"
    )]
    status_url: String,
}

impl Accepted {
    /// Of a request that is on the log where `token` says.
    pub(crate) fn new(receipt: Receipt, token: &ConsistencyToken, query: &QueryBaseUrl) -> Self {
        let Receipt { command_id, of, reservation, .. } = receipt;
        let (mut item_id, mut reservation_id, mut store_id) = (None, reservation, None);
        match of {
            AggregateId::Item(id) => item_id = Some(id),
            AggregateId::Reservation(id) => reservation_id = Some(id),
            AggregateId::Store(id) => store_id = Some(id),
        }
        let consistency_token = token.to_text();
        let buffer = &mut uuid::Uuid::encode_buffer();
        let command = command_id.encode(buffer);
        let status_url = [query.as_str(), "/api/v1/commands/", command, "?token=", &consistency_token].concat();
        Self { command_id, status: "accepted", item_id, reservation_id, store_id, consistency_token, status_url }
    }

    /// Where the command stands on the log.
    pub(crate) fn token(&self) -> &str {
        &self.consistency_token
    }

    /// The body, as `Serialize` writes it.
    fn to_json(&self) -> Vec<u8> {
        let mut body = ObjectWriter::with_capacity(USUAL_BYTES);
        body.plain_by(name!("commandId"), |text| self.command_id.write_to(text));
        body.plain(name!("status"), self.status);
        if let Some(id) = self.item_id {
            body.plain_by(name!("itemId"), |text| id.write_to(text));
        }
        if let Some(id) = self.reservation_id {
            body.plain_by(name!("reservationId"), |text| id.write_to(text));
        }
        if let Some(id) = &self.store_id {
            body.plain(name!("storeId"), id.as_str());
        }
        body.plain(name!("consistencyToken"), &self.consistency_token);
        body.plain(name!("statusUrl"), &self.status_url);
        body.end()
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let body = self.to_json();
        let visible = |text: String| HeaderValue::try_from(text).expect("a URL, an id and base64 are visible ASCII");
        let mut response = Response::new(body.into());
        *response.status_mut() = StatusCode::ACCEPTED;
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_JSON));
        headers.insert(header::LOCATION, visible(self.status_url));
        headers.insert(X_CONSISTENCY_TOKEN, visible(self.consistency_token));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl IntoResponses for Accepted {
    fn responses() -> BTreeMap<String, RefOr<ResponseDoc>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Accepted"))).build();
        let response = ResponseBuilder::new()
            .description("The log has the command; the writer will decide. `Location` is where its outcome will be")
            .content("application/json", content)
            .header("Location", text_header("The same as `statusUrl`"))
            .header("X-Consistency-Token", text_header("The same as `consistencyToken`"))
            .header("Cache-Control", text_header("`no-store`"));
        BTreeMap::from([(StatusCode::ACCEPTED.as_str().to_owned(), response.build().into())])
    }
}

#[cfg(test)]
mod tests {
    use shared::token::LogId;

    use super::*;

    #[test]
    fn a_body_is_written_as_a_row_of_a_batch_is_byte_by_byte() {
        let command_id = CommandId::fresh();
        let (item, reservation) = (ItemId::from_uuid(command_id.uuid()), ReservationId::of(command_id));
        let token = ConsistencyToken { log: LogId::cluster("a-log"), offset: 41 };
        let query = QueryBaseUrl::parse("http://127.0.0.1:8081/a'b~c/").expect("a URL");
        for (of, reservation) in [
            (AggregateId::Item(item), None),
            (AggregateId::Item(item), Some(reservation)),
            (AggregateId::Reservation(reservation), None),
            (AggregateId::Store(StoreId::main()), None),
        ] {
            let receipt = Receipt { command_id, event_type: "StockReservationRequested", of, reservation };
            let accepted = Accepted::new(receipt, &token, &query);
            assert_eq!(accepted.to_json(), serde_json::to_vec(&accepted).expect("JSON"));
        }
    }
}
