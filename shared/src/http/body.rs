//! Bodies, read strictly: size, media type, syntax, then each field with every fault told at once.

mod fields;
mod strict;

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

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
    match within(BODY_WITHIN, whole_body(Limited::new(body, limit))).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(broke_off(&error)),
        Err(_) => Err(broke_off(&format_args!("it was not complete after {} s", BODY_WITHIN.as_secs()))),
    }
}

/// Nearly every body is one frame, which is given as it is; others are put together.
async fn whole_body(mut body: Limited<Body>) -> Result<Bytes, BoxError> {
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        // Trailers say nothing that is asked for.
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { [&first[..], &rest].concat().into() })
}

/// A time-out without an alarm for what is there in the second turn of its task: hyper hands a body over in the turn after
/// it was first asked for, and most are there by then. An alarm goes into tokio's wheel and out again, behind a lock that
/// all requests share.
async fn within<F: Future>(time: Duration, future: F) -> Result<F::Output, Elapsed> {
    let (mut future, mut is_second) = (pin!(future), false);
    let soon = poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if is_second => Poll::Ready(None),
        Poll::Pending => {
            is_second = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match soon.await {
        Some(output) => Ok(output),
        None => Box::pin(timeout(time, future)).await,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_late_is_waited_for_and_what_does_not_come_is_given_up() {
        let there = within(Duration::ZERO, std::future::ready(1)).await;
        let next_turn = within(Duration::ZERO, tokio::task::yield_now()).await;
        assert_eq!((there.ok(), next_turn.is_ok()), (Some(1), true));
        let later = async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            2
        };
        assert_eq!(within(Duration::MAX, later).await.ok(), Some(2));
        assert!(within(Duration::ZERO, std::future::pending::<()>()).await.is_err());
    }
}
