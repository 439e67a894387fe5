//! A key makes a retry the same command; without one each request is a command of its own.

use serde_json::{Value, json};
use shared::id::ReservationId;
use shared::message::RequestEnvelope;

use crate::harness::{ITEMS, RESERVATION, RESERVATIONS, Whole, by_id, by_sku, decoded};

/// Path, headers and body.
type Sent<'a> = (String, &'a [(&'a str, &'a str)], &'a str);

/// Sends each and gives what is on the log.
async fn emitted(requests: &[Sent<'_>]) -> Vec<RequestEnvelope> {
    let whole = Whole::start().await;
    for (path, headers, body) in requests {
        let mut call = whole.client().request("POST", path.as_str()).header("content-type", "application/json");
        for (name, value) in *headers {
            call = call.header(*name, *value);
        }
        call.body(*body).send().await.expect(202);
    }
    let log = whole.log().await;
    assert_eq!(log.len(), requests.len());
    log.iter().map(decoded).collect()
}

const BODY: &str = r#"{"quantity":5,"storeId":"main"}"#;

#[tokio::test]
async fn the_same_key_and_request_is_the_same_command_however_it_is_written() {
    let reserve = by_id("/reserve");
    let ways: [(&[(&str, &str)], &str); 7] = [
        (&[("idempotency-key", "k-1")], BODY),
        (&[("idempotency-key", "\"k-1\"")], BODY),
        (&[("x-idempotency-key", "k-1")], BODY),
        (&[("idempotency-key", "k-1"), ("x-idempotency-key", "\"k-1\"")], BODY),
        (&[("idempotency-key", "k-1")], " { \"storeId\" : \" main \",\n\"quantity\":5 } "),
        (&[("idempotency-key", "k-1")], r#"{"quantity":5}"#),
        (&[("idempotency-key", "k-1")], r#"{"quantity":5,"storeId":null}"#),
    ];
    let requests: Vec<_> = ways.iter().map(|(headers, body)| (reserve.clone(), *headers, *body)).collect();
    let emitted = emitted(&requests).await;
    for request in &emitted {
        assert_eq!(request.command_id, emitted[0].command_id);
        assert_eq!(request.event_id, emitted[0].event_id);
        assert_eq!(request.idempotency_id, emitted[0].idempotency_id);
        assert_eq!(request.fingerprint, emitted[0].fingerprint);
    }
    assert!(emitted[0].idempotency_id.is_some());
}

#[tokio::test]
async fn the_same_key_with_another_request_is_another_command_under_the_same_idempotency_id() {
    let reserve = by_id("/reserve");
    let key = ("idempotency-key", "k-1");
    let emitted = emitted(&[
        (reserve.clone(), &[key], BODY),
        (reserve.clone(), &[key], r#"{"quantity":6}"#),
        (reserve, &[key, ("if-match", "\"s1\"")], BODY),
    ])
    .await;
    for other in &emitted[1..] {
        assert_eq!(other.idempotency_id, emitted[0].idempotency_id);
        assert_ne!(other.command_id, emitted[0].command_id);
    }
    assert_ne!(emitted[1].command_id, emitted[2].command_id);
}

#[tokio::test]
async fn a_key_means_something_else_on_another_route_and_another_key_is_another_command() {
    let key = ("idempotency-key", "k-1");
    let emitted = emitted(&[
        (by_id("/reserve"), &[key], BODY),
        (by_id("/release"), &[key], BODY),
        (by_sku("/reserve"), &[key], BODY),
        (by_id("/reserve"), &[("idempotency-key", "k-2")], BODY),
    ])
    .await;
    for (n, request) in emitted.iter().enumerate() {
        for other in &emitted[n + 1..] {
            assert_ne!(request.idempotency_id, other.idempotency_id);
            assert_ne!(request.command_id, other.command_id);
        }
    }
}

#[tokio::test]
async fn the_same_key_and_request_makes_the_same_reservation() {
    let key = ("idempotency-key", "k-1");
    let path = || RESERVATIONS.to_owned();
    let emitted = emitted(&[
        (path(), &[key], r#"{"sku":"A","quantity":1}"#),
        (path(), &[key], r#"{"lines":[{"sku":"A","quantity":1}],"ttlSeconds":600,"storeId":"main"}"#),
        (path(), &[key], r#"{"sku":"A","quantity":2}"#),
        (path(), &[], r#"{"sku":"A","quantity":1}"#),
        (path(), &[key], &format!(r#"{{"sku":"A","quantity":1,"reservationId":"{RESERVATION}"}}"#)),
    ])
    .await;
    let id = |index: usize| emitted[index].aggregate_id.to_string();
    assert_eq!((emitted[0].command_id, id(0)), (emitted[1].command_id, id(1)));
    assert_eq!(emitted[0].fingerprint, emitted[1].fingerprint);
    assert_eq!(id(0), ReservationId::of(emitted[0].command_id).to_string());
    for other in [2, 4] {
        assert_eq!(emitted[other].idempotency_id, emitted[0].idempotency_id);
        assert_ne!(emitted[other].command_id, emitted[0].command_id);
    }
    assert_ne!(id(2), id(0));
    assert_ne!(id(3), id(0));
    assert_eq!(emitted[3].fingerprint, emitted[0].fingerprint);
    assert_eq!(id(4), RESERVATION);
}

#[tokio::test]
async fn without_a_key_each_request_is_a_command_of_its_own() {
    let emitted = emitted(&[(by_id("/reserve"), &[], BODY), (by_id("/reserve"), &[], BODY)]).await;
    assert_ne!(emitted[0].command_id, emitted[1].command_id);
    assert_eq!(emitted[0].fingerprint, emitted[1].fingerprint);
    assert_eq!((emitted[0].idempotency_id, emitted[1].idempotency_id), (None, None));
}

#[tokio::test]
async fn a_key_that_breaks_the_rule_is_refused_and_nothing_is_emitted() {
    let whole = Whole::start().await;
    let long = "x".repeat(256);
    let wrong: [&[(&str, &str)]; 6] = [
        &[("idempotency-key", "a"), ("x-idempotency-key", "b")],
        &[("idempotency-key", "a"), ("idempotency-key", "a")],
        &[("x-idempotency-key", "a"), ("x-idempotency-key", "b")],
        &[("idempotency-key", "a b")],
        &[("idempotency-key", "")],
        &[("idempotency-key", &long)],
    ];
    for headers in wrong {
        let mut call = whole.client().request("POST", ITEMS).json(&json!({"sku": "A", "name": "b"}));
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        let answer = call.send().await;
        assert_eq!(answer.expect(400).code(), "INVALID_HEADER", "{headers:?}");
        assert!(matches!(&answer.json()["detail"], Value::String(detail) if detail.contains("idempotency-key")));
    }
    assert_eq!(whole.log().await, []);
}
