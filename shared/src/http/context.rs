//! What belongs to every request: its ids, in its answer and in what is logged meanwhile, its metrics, and its problem
//! written out.

mod meters;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use axum::routing::Route;
use http::{HeaderMap, HeaderName, HeaderValue};
use tower::Service as _;

use crate::id::{self, CommandId};
use crate::problem::Problem;
use meters::Meters;

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
}

impl RequestContext {
    /// From what the client sent; what breaks the rules is replaced.
    pub fn of(headers: &HeaderMap) -> Self {
        let request = visible(headers, &REQUEST_ID).unwrap_or_else(|| {
            let fresh = &mut uuid::Uuid::encode_buffer();
            HeaderValue::from_str(id::random().hyphenated().encode_lower(fresh)).expect("a UUID is a header value")
        });
        Self(Arc::new(Ids { request, correlation: visible(headers, &CORRELATION_ID), command: OnceLock::new() }))
    }

    /// Of the request that this task is answering, inside of what [`carry`] is around.
    pub fn current() -> Self {
        ANSWERING.try_with(|(_, context)| context.clone()).expect("`carry` is around every route")
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

/// Puts the context of a request around everything that a service answers.
pub fn carry(service: &'static str, router: Router) -> Router {
    let meters = Meters::new(service);
    router.layer(tower::layer::layer_fn(move |mut route: Route| {
        let meters = meters.clone();
        tower::service_fn(move |request| answer(service, meters.clone(), &mut route, request))
    }))
}

fn answer(
    service: &'static str,
    meters: Meters,
    route: &mut Route,
    request: Request,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    let started = Instant::now();
    let context = RequestContext::of(request.headers());
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let answering = route.call(request);
    ANSWERING.scope((service, context.clone()), async move {
        let Ok(mut response) = answering.await;
        let route = path.as_ref().map_or("unmatched", MatchedPath::as_str);
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            let allow = response.headers().get(http::header::ALLOW).cloned();
            response = problem.render(context.request_id());
            if let Some(allow) = allow {
                response.headers_mut().insert(http::header::ALLOW, allow);
            }
            if response.status().is_server_error() {
                tracing::warn!(%method, route, code = problem.code.as_str(), detail = problem.detail, "answered a problem");
            }
        }
        response.headers_mut().insert(REQUEST_ID, context.0.request.clone());
        meters.record(&method, route, response.status(), started.elapsed());
        Ok(response)
    })
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
