//! Load over HTTP/1.1 with connections that stay open: closed loop for rates, open loop for latencies.
//!
//! It is as cheap as it can be, so that what is measured is the server: requests are bytes made before, and of an answer
//! no more is read than its status and its length. The same for ours and for the floors.

pub(crate) mod alarm;
pub(crate) mod closed;
pub(crate) mod connection;
pub(crate) mod open;

use std::time::Duration;

use hdrhistogram::Histogram;

/// A GET without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// A POST of JSON.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = "host: localhost\r\ncontent-type: application/json\r\ncontent-length";
    format!("POST {path} HTTP/1.1\r\n{head}: {length}\r\n\r\n{body}").into_bytes()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn thousands(count: u64) -> f64 {
    count as f64 / 1000.0
}

/// Microseconds, up to a minute.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds in order")
}

/// Of a histogram of microseconds, in milliseconds.
pub(crate) fn quantile_ms(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    thousands(latencies.value_at_quantile(quantile))
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
