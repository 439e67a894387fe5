//! On a log that is not durable, a 202 waits for the writer, and what waits is bounded.

use std::time::Duration;

use serde_json::json;
use testkit::poll::eventually;

use crate::harness::{SOON, Whole, by_id};

#[tokio::test]
async fn there_is_no_202_before_the_writer_has_committed() {
    let (whole, writer) = Whole::start_embedded(Duration::from_secs(20)).await;
    let client = whole.client().clone();
    let first = tokio::spawn(async move { client.delete(&by_id("")).await });
    eventually(SOON, async || whole.log().await.len() == 1).await;
    assert!(!first.is_finished());
    // Committed up to and without the message's own offset, 0.
    writer.send_replace(0);
    tokio::task::yield_now().await;
    assert!(!first.is_finished());
    writer.send_replace(1);
    first.await.expect("an answer").expect(202);
}

#[tokio::test]
async fn a_writer_that_stands_still_makes_what_is_enqueued_unknown_and_what_follows_refused_until_it_goes_on() {
    let (whole, writer) = Whole::start_embedded(Duration::from_millis(1100)).await;
    let answer = whole.client().delete(&by_id("")).await;
    assert_eq!(answer.expect(504).code(), "OUTCOME_UNKNOWN");
    let refused = whole.client().delete(&by_id("")).await;
    assert_eq!(refused.expect(503).code(), "BROKER_UNAVAILABLE");
    assert_eq!(refused.header("retry-after"), Some("1"));
    writer.send_replace(1_000);
    eventually(SOON, async || whole.client().delete(&by_id("")).await.status == 202).await;
    let log = whole.log().await;
    assert_eq!(log.len(), 2, "what was refused was not enqueued");
}

#[tokio::test]
async fn a_writer_that_has_ended_makes_every_write_a_refusal() {
    let (whole, writer) = Whole::start_embedded(Duration::from_secs(20)).await;
    let client = whole.client().clone();
    let waiting = tokio::spawn(async move { client.delete(&by_id("")).await });
    eventually(SOON, async || whole.log().await.len() == 1).await;
    drop(writer);
    assert_eq!(waiting.await.expect("an answer").expect(504).code(), "OUTCOME_UNKNOWN");
    assert_eq!(whole.client().delete(&by_id("")).await.expect(503).code(), "BROKER_UNAVAILABLE");
}

#[tokio::test]
async fn what_waits_for_the_writer_stays_below_two_mebibytes_also_when_nobody_waits_for_it_any_more() {
    let (whole, _writer) = Whole::start_embedded(Duration::from_millis(200)).await;
    let body = json!({"name": "Cable", "description": "\u{1F50C}".repeat(2000)});
    let requests: Vec<_> = (0..400)
        .map(|_| {
            let (client, body) = (whole.client().clone(), body.clone());
            tokio::spawn(async move { client.put(&by_id(""), &body).await })
        })
        .collect();
    let mut unknown = 0;
    for request in requests {
        let answer = request.await.expect("an answer");
        match answer.status {
            504 => unknown += 1,
            _ => assert_eq!(answer.expect(503).code(), "BROKER_UNAVAILABLE"),
        }
    }
    let log = whole.log().await;
    let bytes: usize = log.iter().map(kafka::Record::size).sum();
    assert_eq!(log.len(), unknown, "each that is on the log was told so, each that was refused is not");
    assert!(bytes <= 2 * 1024 * 1024, "{bytes}");
    assert!(bytes > 1024 * 1024, "the room is used: {bytes}");
}

#[tokio::test]
async fn a_shutdown_lets_the_request_under_way_end() {
    let (whole, writer) = Whole::start_embedded(Duration::from_secs(20)).await;
    let client = whole.client().clone();
    let under_way = tokio::spawn(async move { client.delete(&by_id("")).await });
    eventually(SOON, async || whole.log().await.len() == 1).await;
    whole.service.shutdown.begin(Duration::from_secs(20));
    eventually(SOON, async || std::net::TcpStream::connect(whole.service.address).is_err()).await;
    assert!(!under_way.is_finished());
    writer.send_replace(1);
    under_way.await.expect("an answer").expect(202);
    whole.service.stop().await.expect("it ends well");
}
