//! What belongs to every request: its ids, its span, its metrics, and its problem written out.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tracing::Instrument;

use crate::id;
use crate::problem::Problem;

/// The header that names one request; answered on every response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that follows one piece of work; defaults to the request id.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];

/// The ids of a request, an extension of each.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The client's `X-Request-ID`, or a fresh one.
    pub request_id: HeaderValue,
    /// The client's `X-Correlation-ID`, or the request id.
    pub correlation_id: HeaderValue,
    /// The trace that the request belongs to, with a span of our own as the parent of what follows.
    pub traceparent: String,
}

impl RequestContext {
    /// From what the client sent; what breaks the rules is replaced.
    pub fn of(headers: &HeaderMap) -> Self {
        let request_id = visible(headers, &REQUEST_ID)
            .unwrap_or_else(|| HeaderValue::from_str(&id::random().to_string()).expect("a UUID is a header value"));
        let correlation_id = visible(headers, &CORRELATION_ID).unwrap_or_else(|| request_id.clone());
        Self { traceparent: traceparent(headers), request_id, correlation_id }
    }

    /// The correlation id as text.
    pub fn correlation_id(&self) -> &str {
        self.correlation_id.to_str().unwrap_or_default()
    }

    /// The request id as text.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// 1 to 128 visible characters, else as if it had not been sent.
fn visible(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let value = headers.get(name)?;
    let fits = (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    fits.then(|| value.clone())
}

/// The incoming trace id if there is a valid one (W3C Trace Context, version 00), and a fresh span id.
fn traceparent(headers: &HeaderMap) -> String {
    let fresh = id::random().simple().to_string();
    let incoming = headers.get(&TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(|text| {
        let mut parts = text.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let set = |part: &str| part.bytes().any(|b| b != b'0');
        (version == "00" && hex(trace, 32) && set(trace) && hex(span, 16) && set(span)).then(|| trace.to_owned())
    });
    let trace = incoming.unwrap_or_else(|| id::random().simple().to_string());
    format!("00-{trace}-{}-01", &fresh[..16])
}

/// The outermost layer of a service named by `State`.
pub async fn carry(State(service): State<&'static str>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let context = RequestContext::of(request.headers());
    let span = tracing::info_span!(
        "request",
        service,
        request_id = context.request_id(),
        correlation_id = context.correlation_id(),
        command_id = tracing::field::Empty,
    );
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(context.clone());
    async {
        let mut response = next.run(request).await;
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
        response.headers_mut().insert(REQUEST_ID, context.request_id);
        record(service, method.as_str(), &route, response.status(), started);
        response
    }
    .instrument(span)
    .await
}

fn record(service: &'static str, method: &str, route: &str, status: StatusCode, started: Instant) {
    // Anybody can make methods up; each label value is kept for ever.
    let method = METHODS.iter().find(|known| **known == method).copied().unwrap_or("other");
    let (route, took) = (route.to_owned(), started.elapsed());
    tracing::debug!(method, route, status = status.as_u16(), took_us = took.as_micros(), "answered");
    metrics::counter!(
        "inventory_http_requests_total",
        "service" => service, "method" => method, "route" => route.clone(), "status" => status.as_u16().to_string(),
    )
    .increment(1);
    metrics::histogram!("inventory_http_request_seconds", "service" => service, "route" => route)
        .record(took.as_secs_f64());
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
        let ours = traceparent(&with(TRACEPARENT, &format!("00-{trace}-b7ad6b7169203331-01")));
        assert!(ours.starts_with(&format!("00-{trace}-")) && !ours.contains("b7ad6b7169203331"));
        for wrong in ["", "00-xyz", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert!(!traceparent(&with(TRACEPARENT, wrong)).contains("00000000000000000000000000000000"));
        }
    }
}
