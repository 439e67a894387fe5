//! Any bytes as a message of `inventory.commands`: never a panic; what is a request says what the bytes say, and is the
//! same one when it is written and read again.
//!
//! An input is text, so that seeds can be read: a line with the key (`-`: none), a line `name: value` for each header
//! (without a colon: its value is null), an empty line, and the body. Without the empty line there is no value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use shared::message::{CONTENT_TYPE_JSON, RequestEnvelope, decode_request, header};

/// What a request has as it came; ids and times have several forms.
const AS_IT_CAME: [&str; 6] = ["eventType", "version", "correlationId", "fingerprint", "expectedVersion", "actor"];

fuzz_target!(|input: &[u8]| {
    let (head, value) = match input.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&input[..end], Some(&input[end + 2..])),
        None => (input, None),
    };
    let mut lines = head.split(|&byte| byte == b'\n');
    let key = lines.next().filter(|key| *key != b"-");
    let headers = lines.filter_map(|line| {
        let (name, value) = match line.windows(2).position(|pair| pair == b": ") {
            Some(end) => (&line[..end], Some(&line[end + 2..])),
            None => (line, None),
        };
        Some((std::str::from_utf8(name).ok()?, value))
    });
    if let Ok(request) = decode_request(key, value, headers) {
        reads_back(&request);
        says_the_same(&request, value.unwrap_or_default());
    }
});

/// Texts of what is asked are trimmed, and defaults filled in; numbers and flags are as they came.
fn says_the_same(request: &RequestEnvelope, value: &[u8]) {
    // What is skipped when a request is read need not be readable: nested too deep, say.
    let Ok(original) = serde_json::from_slice::<Value>(value) else { return };
    let written = serde_json::to_value(request).expect("a request can be written");
    for name in AS_IT_CAME {
        assert_eq!(original.get(name).unwrap_or(&Value::Null), &written[name], "{name}");
    }
    for (name, written) in written["data"].as_object().expect("an object") {
        let came = &original["data"][name];
        if came.is_number() || came.is_boolean() {
            assert_eq!(came, written, "{name}");
        }
    }
}

/// With the headers and the key that command-service gives it.
fn reads_back(request: &RequestEnvelope) {
    let written = serde_json::to_vec(request).expect("a request can be written");
    let key = request.aggregate_id.to_string();
    let (id, time) = (request.event_id.to_string(), request.occurred_at.to_string());
    let headers = [
        (header::EVENT_TYPE, request.event_type),
        (header::EVENT_ID, id.as_str()),
        (header::TIMESTAMP, time.as_str()),
        (header::CONTENT_TYPE, CONTENT_TYPE_JSON),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name, Some(value.as_bytes())));
    let again = decode_request(Some(key.as_bytes()), Some(&written), headers);
    assert_eq!(again.as_ref(), Ok(request), "{}", String::from_utf8_lossy(&written));
}
