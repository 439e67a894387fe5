//! Any bytes as the headers of a request: never a panic, and whatever is accepted keeps its own rules.
//!
//! An input is a line `name: value` for each header. What is fuzzed is the file of command-service itself, taken in by
//! its path: it needs nothing of the service, whose Kafka client would have to be built for this.
#![no_main]

#[path = "../../../command-service/src/headers.rs"]
#[expect(dead_code, reason = "batches take their keys from it too")]
mod headers;

use headers::WriteHeaders;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use shared::etag::{ETag, ETagKind};
use shared::http::context::{RequestContext, traceparent};

const KINDS: [Option<ETagKind>; 5] =
    [None, Some(ETagKind::Item), Some(ETagKind::Stock), Some(ETagKind::Reservation), Some(ETagKind::Store)];

fuzz_target!(|input: &[u8]| {
    let headers = map(input);
    for changes in KINDS {
        if let Ok(said) = WriteHeaders::parse(&headers, changes) {
            assert_eq!(said.expected_version, version(&headers, changes));
            if let Some(key) = said.idempotency_key {
                assert_key(&key);
            }
        }
    }
    assert_context(&headers);
});

/// The lines that HTTP can carry.
fn map(input: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n') {
        let Some(end) = line.windows(2).position(|pair| pair == b": ") else { continue };
        let name = HeaderName::from_bytes(&line[..end]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&line[end + 2..])) {
            headers.append(name, value);
        }
    }
    headers
}

/// What one tag says, written out and read again.
fn version(headers: &HeaderMap, changes: Option<ETagKind>) -> Option<u64> {
    let text = headers.get(header::IF_MATCH)?.to_str().expect("it was accepted");
    let tag = ETag::parse(text).expect("it was accepted");
    assert_eq!(Some(tag.kind()), changes);
    assert_eq!(ETag::parse(&tag.to_string()), Ok(tag));
    Some(tag.version())
}

/// The same key in quotes is the same key.
fn assert_key(key: &str) {
    assert!((1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}");
    let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
    let value = HeaderValue::from_str(&quoted).expect("visible characters");
    let again = WriteHeaders::parse(&HeaderMap::from_iter([(HeaderName::from_static("idempotency-key"), value)]), None);
    assert_eq!(again.ok().and_then(|again| again.idempotency_key).as_deref(), Some(key));
}

fn assert_context(headers: &HeaderMap) {
    let context = RequestContext::of(headers);
    for id in [context.request_id(), context.correlation_id()] {
        assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id:?}");
    }
    let carried_on = traceparent(headers);
    let carried_on = std::str::from_utf8(&carried_on).expect("it is ASCII");
    let parent: Vec<&str> = carried_on.split('-').collect();
    let is_set = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
            && part.bytes().any(|byte| byte != b'0')
    };
    let fits = matches!(parent[..], ["00", trace, span, "01"]
        if trace.len() == 32 && span.len() == 16 && is_set(trace) && is_set(span));
    assert!(fits, "{carried_on}");
}
