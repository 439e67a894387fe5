//! What requests have in common: ids in the path, tokens in a header or the query, and the wait that tokens mean.
//!
//! The order of the checks is the contract's: the path, then headers, then the query.

use std::convert::Infallible;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri};
use serde::Serialize;
use shared::clock::Timestamp;
use shared::http::body::Fault;
use shared::http::context::note_route;
use shared::http::params::{Params, path_segment, whole};
use shared::id::{Id, InvalidId, ItemId, ReservationId};
use shared::problem::{Problem, ProblemCode};
use shared::text::{Sku, StoreId};
use shared::token::ConsistencyToken;

use super::Api;
use crate::cursor;

const TOKEN: HeaderName = HeaderName::from_static("x-consistency-token");

const MOST_ROWS: u64 = 200;

/// What a request says beside its path: taken out of it, for copying headers takes longer than finding a document, and
/// boxed, for it passes through futures that would each have the room for it.
#[derive(Debug)]
pub(super) struct Sent {
    uri: Uri,
    pub(super) headers: HeaderMap,
}

/// A path with one parameter, which may be no UTF-8.
pub(super) type Segment = Result<Path<String>, PathRejection>;

/// Reads the path's one parameter; what cannot be decoded or is refused by `parse` is `INVALID_ID`.
pub(super) fn segment<T, E: std::fmt::Display>(
    name: &str,
    segment: Segment,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Problem> {
    let undecodable = |rejection: PathRejection| Problem::new(ProblemCode::InvalidId, rejection.body_text());
    let Path(segment) = segment.map_err(undecodable)?;
    path_segment(name, &segment, parse)
}

/// An item by its id.
pub(super) fn item_id(path: Segment) -> Result<ItemId, Problem> {
    segment("itemId", path, ItemId::parse)
}

/// An item by its SKU, from which its id is derived: the same key in memory.
pub(super) fn sku(path: Segment) -> Result<ItemId, Problem> {
    segment("sku", path, Sku::parse).map(|sku| ItemId::of(&sku))
}

/// A reservation by its id.
pub(super) fn reservation_id(path: Segment) -> Result<ReservationId, Problem> {
    segment("reservationId", path, ReservationId::parse)
}

/// A store by its id.
pub(super) fn store_id(path: Segment) -> Result<StoreId, Problem> {
    segment("storeId", path, StoreId::parse)
}

/// How many rows a page has at most, from 1 to 200.
pub(super) fn limit(parameters: &mut Params, default: u32) -> u32 {
    let limit = parameters.optional("limit", whole(1, MOST_ROWS));
    limit.map_or(default, |limit| u32::try_from(limit).expect("the greatest is far below 2^32"))
}

/// From where a list goes down: a cursor of the list `name` with these filters, or the beginning.
pub(super) fn greatest(parameters: &mut Params, name: &str, filters: &impl Serialize) -> u64 {
    let read = |text: &str| cursor::read(name, filters, text)?.parse().map_err(|_| cursor::no_cursor());
    parameters.optional("cursor", read).unwrap_or(u64::MAX)
}

/// A moment of RFC 3339.
pub(super) fn time(text: &str) -> Result<Timestamp, Fault> {
    let detail = "must be an RFC 3339 time such as 2026-11-22T10:10:00Z (in a query, + is written %2B)";
    Timestamp::parse(text).ok_or_else(|| Fault("INVALID_FORMAT", detail.to_owned()))
}

/// An id in the query.
pub(super) fn id<Kind>(text: &str) -> Result<Id<Kind>, Fault> {
    Id::parse(text).map_err(|error: InvalidId| error.into())
}

impl<S: Sync> FromRequestParts<S> for Box<Sent> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        note_route(&parts.extensions);
        let (uri, headers) = (std::mem::take(&mut parts.uri), std::mem::take(&mut parts.headers));
        Ok(Self::new(Sent { uri, headers }))
    }
}

impl Sent {
    /// The tokens of the header and the parameters of the query, from which the tokens there are taken.
    pub(super) fn tokens_and_parameters(&self) -> Result<(Vec<ConsistencyToken>, Params), Problem> {
        let mut tokens = Vec::new();
        for value in self.headers.get_all(TOKEN) {
            let list = value.to_str().ok().and_then(|text| ConsistencyToken::parse_list(text).ok());
            let refused = || Problem::new(ProblemCode::InvalidHeader, "X-Consistency-Token: not what a 202 carried");
            tokens.extend(list.ok_or_else(refused)?);
        }
        let mut parameters = Params::parse(self.uri.query());
        let read = |text: &str| {
            ConsistencyToken::parse_list(text).map_err(|error| Fault("INVALID_FORMAT", format!("is {error}")))
        };
        tokens.extend(parameters.optional("token", read).unwrap_or_default());
        Ok((tokens, parameters))
    }
}

impl Api {
    /// Waits until what the tokens name has been applied; `READ_MODEL_BEHIND` if it takes too long, or if the service is
    /// about to end.
    pub(super) async fn wait_for(&self, tokens: &[ConsistencyToken]) -> Result<(), Problem> {
        if tokens.is_empty() { Ok(()) } else { Box::pin(self.wait_until_applied(tokens)).await }
    }

    async fn wait_until_applied(&self, tokens: &[ConsistencyToken]) -> Result<(), Problem> {
        let following = &self.model.following;
        let mut applied = following.subscribe();
        let satisfied = applied.wait_for(|applied| applied.satisfies(tokens));
        let is_satisfied = tokio::select! {
            biased;
            satisfied = satisfied => satisfied.is_ok(),
            () = tokio::time::sleep(self.read_wait) => false,
            () = self.shutdown.begun() => false,
        };
        if is_satisfied {
            Ok(())
        } else if following.is_reachable() {
            let detail = format!("not applied within {} ms; try again", self.read_wait.as_millis());
            Err(Problem::new(ProblemCode::ReadModelBehind, detail))
        } else {
            let detail = "the source cannot be read now: it cannot be reached; see /health/ready";
            Err(Problem::new(ProblemCode::SourceUnavailable, detail))
        }
    }
}
