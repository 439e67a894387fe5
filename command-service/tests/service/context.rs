//! Ids of a request: answered, and carried on by its message.

use crate::harness::{Whole, by_id, header};

async fn delete_with(whole: &Whole, headers: &[(&str, &str)]) -> testkit::contract::Answer {
    let mut call = whole.client().request("DELETE", by_id(""));
    for (name, value) in headers {
        call = call.header(*name, *value);
    }
    let answer = call.send().await;
    answer.expect(202);
    answer
}

#[tokio::test]
async fn the_request_id_is_answered_and_the_correlation_id_goes_into_the_message() {
    let whole = Whole::start().await;
    let answer = delete_with(&whole, &[("x-request-id", "r-1"), ("x-correlation-id", "c-1")]).await;
    assert_eq!(answer.header("x-request-id"), Some("r-1"));
    assert_eq!(whole.last_request().await.correlation_id, "c-1");
    delete_with(&whole, &[("x-request-id", "r-2")]).await;
    assert_eq!(whole.last_request().await.correlation_id, "r-2");
    let replaced = delete_with(&whole, &[("x-request-id", "not one word")]).await;
    let fresh = replaced.header("x-request-id").expect("always there");
    assert_ne!(fresh, "not one word");
    assert_eq!(whole.last_request().await.correlation_id, fresh);
}

#[tokio::test]
async fn a_problem_names_the_request_too() {
    let whole = Whole::start().await;
    let answer = whole.client().request("POST", by_id("/reserve")).header("x-request-id", "r-1").send().await;
    assert_eq!(answer.expect(415).header("x-request-id"), Some("r-1"));
    assert_eq!(answer.json()["instance"], "urn:request:r-1");
}

#[tokio::test]
async fn the_message_carries_the_trace_on_with_a_span_of_its_own() {
    let whole = Whole::start().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    delete_with(&whole, &[("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"))]).await;
    let record = whole.only_message().await;
    let sent = header(&record, "traceparent");
    assert!(sent.starts_with(&format!("00-{trace}-")) && !sent.contains("b7ad6b7169203331"), "{sent}");
}
