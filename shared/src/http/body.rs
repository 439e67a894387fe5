//! Bodies, read strictly: size, media type, syntax, then each field with every fault told at once.

mod fields;
mod strict;

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};

pub use fields::{Fault, Faults, Fields, array, flag, object, text, whole};

use crate::problem::{Problem, ProblemCode};

/// The most bytes that a body may have.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// A client that sends its body more slowly holds a connection for nothing.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Reads the whole body; more than `limit` bytes is `BODY_TOO_LARGE`.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(ProblemCode::BodyTooLarge, format!("a body may have at most {limit} bytes"));
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let broke_off =
        |why: &dyn fmt::Display| Problem::new(ProblemCode::MalformedJson, format!("the body broke off: {why}"));
    match tokio::time::timeout(BODY_WITHIN, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(broke_off(&error)),
        Err(_) => Err(broke_off(&format_args!("it was not complete after {} s", BODY_WITHIN.as_secs()))),
    }
}

/// The body must be announced as JSON.
pub fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        let sent = if value.is_empty() { "none".to_owned() } else { format!("{value:?}") };
        let detail = format!("send the header Content-Type: application/json (sent: {sent})");
        Err(Problem::new(ProblemCode::UnsupportedMediaType, detail))
    }
}
