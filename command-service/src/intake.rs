//! Receiving a write: path, headers and body, checked in the order that the contract promises.
//!
//! 404 and 405 are the router's. Then: body too large, media type, ids in the path, headers, JSON, fields. A request that
//! is wrong in two ways is always told the same one.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use shared::etag::ETagKind;
use shared::http::body::{self, Fields, MAX_BODY_BYTES};
use shared::http::context::RequestContext;
use shared::http::params::{Params, path_segment};
use shared::id::ItemId;
use shared::message::Command;
use shared::problem::{FieldError, Problem, ProblemCode};
use shared::text::Sku;

use crate::headers::WriteHeaders;

/// A write whose path and headers are right and whose body has been read.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The method as it was sent.
    pub method: Method,
    /// The path and query as they were sent.
    pub uri: Uri,
    /// Its ids.
    pub context: RequestContext,
    /// Its headers.
    pub headers: WriteHeaders,
    item: Option<ItemId>,
    body: Bytes,
}

impl Intake {
    /// A write with a JSON body. `changes`: see [`WriteHeaders::parse`].
    pub(crate) async fn json(request: Request, changes: Option<ETagKind>) -> Result<Self, Problem> {
        Self::read(request, changes, body::require_json).await
    }

    /// A write without a body, so that no media type need be announced.
    pub(crate) async fn bodyless(request: Request, changes: Option<ETagKind>) -> Result<Self, Problem> {
        Self::read(request, changes, |_| Ok(())).await
    }

    async fn read(
        request: Request,
        changes: Option<ETagKind>,
        check_media_type: fn(&HeaderMap) -> Result<(), Problem>,
    ) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let body = body::read(&parts.headers, body, MAX_BODY_BYTES).await?;
        check_media_type(&parts.headers)?;
        let item = item_in_path(&mut parts).await?;
        let headers = WriteHeaders::parse(&parts.headers, changes)?;
        let context = parts.extensions.remove().expect("shared::http::context::carry is around every route");
        Ok(Self { method: parts.method, uri: parts.uri, context, headers, item, body })
    }

    /// What the JSON body asks for.
    pub(crate) fn command(&self, read: impl FnOnce(Fields) -> Result<Command, Problem>) -> Result<Command, Problem> {
        self.with_query(Fields::parse(&self.body).and_then(read))
    }

    /// What the route asks for by itself; a body is refused.
    pub(crate) fn command_without_body(&self, command: Command) -> Result<Command, Problem> {
        let no_body = if self.body.is_empty() {
            Ok(command)
        } else {
            let detail = "this request takes no body; send none".to_owned();
            Err(Problem::fields(vec![FieldError { field: String::new(), code: "UNEXPECTED_BODY", detail }]))
        };
        self.with_query(no_body)
    }

    /// The item that the command is for.
    pub(crate) fn item_of(&self, command: &Command) -> ItemId {
        match (command, self.item) {
            (Command::CreateItem { sku, .. }, _) => ItemId::of(sku),
            (_, item) => item.expect("every route but the creation's names its item"),
        }
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

/// By its id or by its SKU, whichever the route has.
async fn item_in_path(parts: &mut Parts) -> Result<Option<ItemId>, Problem> {
    let segments = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| {
        Problem::new(ProblemCode::InvalidId, format!("the path {} is not UTF-8 once it is decoded", parts.uri.path()))
    })?;
    let item = segments.iter().next().map(|(name, segment)| match name {
        "sku" => path_segment(name, segment, Sku::parse).map(|sku| ItemId::of(&sku)),
        _ => path_segment(name, segment, ItemId::parse),
    });
    item.transpose()
}
