//! Receiving a write: path, headers and body, checked in the order that the contract promises.
//!
//! 404 and 405 are the router's. Then: body too large, media type, ids in the path, headers, JSON, fields. A request that
//! is wrong in two ways is always told the same one.

use std::convert::Infallible;
use std::pin::Pin;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use shared::aggregate::AggregateId;
use shared::etag::ETagKind;
use shared::http::body::{self, Faults, Fields, MAX_BODY_BYTES};
use shared::http::context::{RequestContext, Traceparent, note_route, traceparent};
use shared::http::params::{Params, path_segment};
use shared::id::{ItemId, ReservationId};
use shared::problem::{FieldError, Problem, ProblemCode};
use shared::text::{Sku, StoreId};

use crate::headers::WriteHeaders;

/// The most bytes that a batch may have.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// A write whose path and headers are right and whose body has been read.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The method as it was sent.
    pub method: Method,
    /// The path and query as they were sent.
    pub uri: Uri,
    /// Its ids.
    pub context: RequestContext,
    /// The trace that it belongs to.
    pub traceparent: Traceparent,
    /// Its headers.
    pub headers: WriteHeaders,
    named: Named,
    body: Bytes,
}

/// A request that nobody has read yet. Boxed, for it passes through futures that would each have the room for it.
#[derive(Debug)]
pub(crate) struct Unread(Box<Request>);

/// Boxed, like what it gives: else every future around it had the room for both, and each move of one copies all of it.
pub(crate) type Receiving = Pin<Box<dyn Future<Output = Result<Box<Intake>, Problem>> + Send>>;

impl<S: Sync> FromRequest<S> for Unread {
    type Rejection = Infallible;

    fn from_request(request: Request, _: &S) -> impl Future<Output = Result<Self, Infallible>> + Send {
        note_route(request.extensions());
        std::future::ready(Ok(Self(Box::new(request))))
    }
}

/// What the path names.
#[derive(Debug, Default)]
struct Named {
    item: Option<ItemId>,
    reservation: Option<ReservationId>,
    store: Option<StoreId>,
}

impl Intake {
    /// A write with a JSON body. `changes`: see [`WriteHeaders::parse`].
    pub(crate) fn json(request: Unread, changes: Option<ETagKind>) -> Receiving {
        Self::receive(request, changes, MAX_BODY_BYTES, |headers, _| body::require_json(headers))
    }

    /// A write with a JSON body or none; without one no media type need be announced.
    pub(crate) fn json_or_nothing(request: Unread, changes: Option<ETagKind>) -> Receiving {
        Self::receive(request, changes, MAX_BODY_BYTES, |headers, body| {
            if body.is_empty() { Ok(()) } else { body::require_json(headers) }
        })
    }

    /// A write without a body, so that no media type need be announced.
    pub(crate) fn bodyless(request: Unread, changes: Option<ETagKind>) -> Receiving {
        Self::receive(request, changes, MAX_BODY_BYTES, |_, _| Ok(()))
    }

    /// Many writes in one JSON body.
    pub(crate) fn batch(request: Unread) -> Receiving {
        Self::receive(request, None, MAX_BATCH_BYTES, |headers, _| body::require_json(headers))
    }

    fn receive(
        request: Unread,
        changes: Option<ETagKind>,
        limit: usize,
        check_media_type: fn(&HeaderMap, &Bytes) -> Result<(), Problem>,
    ) -> Receiving {
        Box::pin(async move {
            let (mut parts, body) = request.0.into_parts();
            let body = body::read(&parts.headers, body, limit).await?;
            check_media_type(&parts.headers, &body)?;
            let named = Named::by(&mut parts).await?;
            let headers = WriteHeaders::parse(&parts.headers, changes)?;
            let traceparent = traceparent(&parts.headers);
            let context = RequestContext::current();
            let Parts { method, uri, .. } = parts;
            Ok(Box::new(Self { method, uri, context, traceparent, headers, named, body }))
        })
    }

    /// What `read` makes of the JSON body; `None` only if a field is at fault.
    pub(crate) fn fields<T>(&self, read: impl FnOnce(&mut Fields) -> Option<T>) -> Result<T, Problem> {
        self.with_query(Fields::parse(&self.body).and_then(|fields| Ok(finished(fields, read)?)))
    }

    /// The same; no body is as good as one without fields.
    pub(crate) fn fields_if_any<T>(&self, read: impl FnOnce(&mut Fields) -> Option<T>) -> Result<T, Problem> {
        if self.body.is_empty() {
            return self.with_query(finished(Fields::default(), read).map_err(Problem::from));
        }
        self.fields(read)
    }

    /// A body is refused.
    pub(crate) fn no_body(&self) -> Result<(), Problem> {
        let no_body = if self.body.is_empty() {
            Ok(())
        } else {
            let detail = "this request takes no body; send none".to_owned();
            Err(Problem::fields(vec![FieldError { field: String::new(), code: "UNEXPECTED_BODY", detail }]))
        };
        self.with_query(no_body)
    }

    /// The item that the path names.
    pub(crate) fn item(&self) -> AggregateId {
        AggregateId::Item(self.named.item.expect("the route names an item"))
    }

    /// The reservation that the path names.
    pub(crate) fn reservation(&self) -> AggregateId {
        AggregateId::Reservation(self.named.reservation.expect("the route names a reservation"))
    }

    /// The store that the path names.
    pub(crate) fn store(&self) -> &StoreId {
        self.named.store.as_ref().expect("the route names a store")
    }

    /// A write takes no query parameter: one that is sent was meant to say something. Its fault is told with the body's.
    fn with_query<T>(&self, body: Result<T, Problem>) -> Result<T, Problem> {
        match (Params::parse(self.uri.query()).finish(), body) {
            (Ok(()), body) => body,
            (Err(query), Ok(_)) => Err(query),
            (Err(query), Err(body)) if body.code == ProblemCode::ValidationFailed => {
                Err(Problem::fields([query.errors, body.errors].concat()))
            }
            (Err(_), Err(body)) => Err(body),
        }
    }
}

fn finished<T>(mut fields: Fields, read: impl FnOnce(&mut Fields) -> Option<T>) -> Result<T, Faults> {
    let read = read(&mut fields);
    fields.finish(read)
}

impl Named {
    /// An item by its id or by its SKU, whichever the route has.
    async fn by(parts: &mut Parts) -> Result<Self, Problem> {
        let segments = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| {
            let detail = format!("the path {} is not UTF-8 once it is decoded", parts.uri.path());
            Problem::new(ProblemCode::InvalidId, detail)
        })?;
        let mut named = Self::default();
        for (name, segment) in &segments {
            match name {
                "itemId" => named.item = Some(path_segment(name, segment, ItemId::parse)?),
                "sku" => named.item = Some(ItemId::of(&path_segment(name, segment, Sku::parse)?)),
                "reservationId" => named.reservation = Some(path_segment(name, segment, ReservationId::parse)?),
                "storeId" => named.store = Some(path_segment(name, segment, StoreId::parse)?),
                other => unreachable!("no route has a segment {other}"),
            }
        }
        Ok(named)
    }
}
