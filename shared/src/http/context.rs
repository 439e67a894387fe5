//! What belongs to every request: its ids, in its answer and in what is logged meanwhile, its metrics, and its problem
//! written out.

mod around;
mod meters;

use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};

use crate::id::{self, CommandId};

pub use around::{Answering, InContext};

/// The header that names one request; answered on every response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that follows one piece of work; defaults to the request id.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    /// The request that a task is answering, and the service that answers it. A span for each request would say the same
    /// at ten times the price: it is written into a registry, and nearly no request logs a line.
    pub(crate) static ANSWERING: (&'static str, RequestContext);
}

/// The ids of a request; clones share them.
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Ids>);

#[derive(Debug)]
struct Ids {
    request: HeaderValue,
    /// Of a client that sent none it is the request's.
    correlation: Option<HeaderValue>,
    command: OnceLock<CommandId>,
    route: OnceLock<MatchedPath>,
}

impl RequestContext {
    /// From what the client sent; what breaks the rules is replaced.
    pub fn of(headers: &HeaderMap) -> Self {
        let request = visible(headers, &REQUEST_ID).unwrap_or_else(|| {
            let fresh = &mut uuid::Uuid::encode_buffer();
            HeaderValue::from_str(id::random().hyphenated().encode_lower(fresh)).expect("a UUID is a header value")
        });
        Self(Arc::new(Ids {
            request,
            correlation: visible(headers, &CORRELATION_ID),
            command: OnceLock::new(),
            route: OnceLock::new(),
        }))
    }

    /// Of the request that this task is answering, inside of what [`InContext`] is around.
    pub fn current() -> Self {
        ANSWERING.try_with(|(_, context)| context.clone()).expect("the context is around every route")
    }

    /// The client's `X-Correlation-ID`, or the request id.
    pub fn correlation_id(&self) -> &str {
        self.0.correlation.as_ref().unwrap_or(&self.0.request).to_str().unwrap_or_default()
    }

    /// The client's `X-Request-ID`, or a fresh one.
    pub fn request_id(&self) -> &str {
        self.0.request.to_str().unwrap_or_default()
    }

    /// From now on, lines of the log name the command that the request became.
    pub fn became(&self, command: CommandId) {
        let _ = self.0.command.set(command);
    }

    /// What a line of the log says of the request that this task is answering, if it is answering one.
    pub(crate) fn each_field_of_current(mut tell: impl FnMut(&str, &str)) {
        let _ = ANSWERING.try_with(|(service, context)| {
            tell("service", service);
            tell("request_id", context.request_id());
            tell("correlation_id", context.correlation_id());
            if let Some(command) = context.0.command.get() {
                tell("command_id", &command.to_string());
            }
        });
    }
}

/// 1 to 128 visible characters, else as if it had not been sent.
fn visible(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let value = headers.get(name)?;
    let fits = (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    fits.then(|| value.clone())
}

/// A `traceparent`, written.
pub type Traceparent = [u8; 55];

/// The trace that a request belongs to, with a span of our own as the parent of what follows: the incoming trace id if
/// there is a valid one (W3C Trace Context, version 00), and a fresh span id.
pub fn traceparent(headers: &HeaderMap) -> Traceparent {
    let incoming = headers.get(&TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(|text| {
        let mut parts = text.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let set = |part: &str| part.bytes().any(|b| b != b'0');
        (version == "00" && hex(trace, 32) && set(trace) && hex(span, 16) && set(span)).then_some(trace)
    });
    let (mut trace, mut span) = (uuid::Uuid::encode_buffer(), uuid::Uuid::encode_buffer());
    let trace = incoming.unwrap_or_else(|| id::random().simple().encode_lower(&mut trace));
    let span = id::random().simple().encode_lower(&mut span);
    let mut traceparent = *b"00-................................-................-01";
    traceparent[3..35].copy_from_slice(trace.as_bytes());
    traceparent[36..52].copy_from_slice(&span.as_bytes()[..16]);
    traceparent
}

/// Notes which route answers the request of this task, for its metrics: what is around a router cannot see that. What reads
/// the requests of a route calls it; where nothing does, [`noted`] is laid around the route.
pub fn note_route(extensions: &Extensions) {
    if let Some(route) = extensions.get::<MatchedPath>() {
        let _ = ANSWERING.try_with(|(_, context)| context.0.route.set(route.clone()));
    }
}

/// [`note_route`] for `axum::middleware::map_request`.
pub async fn noted(request: Request) -> Request {
    note_route(request.extensions());
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("header value"))])
    }

    #[test]
    fn ids_that_break_the_rule_are_replaced_and_the_correlation_id_defaults_to_the_request_id() {
        let context = RequestContext::of(&with(REQUEST_ID, "abc"));
        assert_eq!((context.request_id(), context.correlation_id()), ("abc", "abc"));
        for wrong in ["", "a b", &"x".repeat(129)] {
            assert_ne!(RequestContext::of(&with(REQUEST_ID, wrong)).request_id(), wrong);
        }
        assert_eq!(RequestContext::of(&with(CORRELATION_ID, "c")).correlation_id(), "c");
    }

    #[test]
    fn a_valid_trace_goes_on_and_an_invalid_one_is_replaced() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let traceparent =
            |incoming: &str| String::from_utf8(traceparent(&with(TRACEPARENT, incoming)).to_vec()).expect("ASCII");
        let ours = traceparent(&format!("00-{trace}-b7ad6b7169203331-01"));
        assert!(ours.starts_with(&format!("00-{trace}-")) && !ours.contains("b7ad6b7169203331"));
        for wrong in ["", "00-xyz", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert!(!traceparent(wrong).contains("00000000000000000000000000000000"));
        }
    }
}
