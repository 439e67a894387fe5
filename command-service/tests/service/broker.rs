//! The broker comes and goes: 503 while nothing was enqueued, 504 when nobody can say.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::contract::{Answer, Client};
use testkit::poll::eventually;
use tokio::task::{JoinHandle, JoinSet};

use crate::harness::{ITEM, Running, SOON, Whole, by_id, unreachable};

#[tokio::test]
async fn without_a_broker_the_service_starts_says_so_and_refuses_writes_at_once() {
    let service = Running::start(&unreachable(), |_| {}).await;
    service.client.get("/health/live").await.expect(200);
    let ready = service.client.get("/health/ready").await;
    ready.expect(503);
    assert_eq!(ready.json()["dependencies"]["broker"]["status"], "down");
    let began = Instant::now();
    let answer = service.client.post(&by_id("/reserve"), &json!({"quantity": 1})).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(answer.expect(503).code(), "BROKER_UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), Some("1"));
    service.stop().await.expect("nothing is lost");
}

#[tokio::test]
async fn a_broker_that_goes_down_and_comes_back_needs_no_restart_and_finds_nothing_that_was_refused() {
    let whole = Whole::start().await;
    whole.client().delete(&by_id("")).await.expect(202);
    whole.broker.set_up(false);
    whole.service.until_ready(false).await;
    let began = Instant::now();
    let answer = whole.client().post(&by_id("/reserve"), &json!({"quantity": 1})).await;
    assert_eq!(answer.expect(503).code(), "BROKER_UNAVAILABLE");
    assert!(began.elapsed() < Duration::from_secs(1));
    whole.broker.set_up(true);
    whole.service.until_ready(true).await;
    whole.client().delete(&by_id("")).await.expect(202);
    assert_eq!(whole.log().await.len(), 2);
}

#[tokio::test]
async fn what_is_already_enqueued_when_the_broker_goes_away_is_unknown_and_what_comes_after_is_refused() {
    let whole = Whole::start_with(|config| config.ack_wait = Duration::from_secs(4)).await;
    let enqueued = stall(&whole);
    // Nothing answers any more, which shows within two seconds.
    whole.service.until_ready(false).await;
    assert!(!enqueued.is_finished());
    whole.broker.set_up(false);
    assert_eq!(whole.client().delete(&by_id("")).await.expect(503).code(), "BROKER_UNAVAILABLE");
    let unknown = enqueued.await.expect("an answer");
    assert_eq!(unknown.expect(504).code(), "OUTCOME_UNKNOWN");
    let detail = unknown.json()["detail"].as_str().expect("text").to_owned();
    assert!(detail.contains("same Idempotency-Key") && detail.contains("double"), "{detail}");

    // It may still be written; the retry that the answer asks for is the same command.
    whole.broker.set_delay(Duration::ZERO);
    whole.broker.set_up(true);
    let retried = eventually(SOON, async || {
        let answer = whole.client().request("DELETE", by_id("")).header("idempotency-key", "k-1").send().await;
        (answer.status == 202).then(|| answer.json()).ok_or(answer.text())
    })
    .await;
    let log = whole.log().await;
    assert!(!log.is_empty());
    for record in &log {
        assert_eq!(crate::harness::value(record)["commandId"], retried["commandId"]);
        assert_eq!(record.key.as_deref(), Some(ITEM.as_bytes()));
    }
}

#[tokio::test]
async fn while_the_oldest_message_has_no_report_for_a_second_nothing_more_is_enqueued() {
    let whole = Whole::start_with(|config| config.ack_wait = Duration::from_millis(1100)).await;
    whole.broker.set_delay(Duration::from_mins(1));
    assert_eq!(first_without_report(whole.client()).await.expect(504).code(), "OUTCOME_UNKNOWN");
    assert_eq!(whole.client().delete(&by_id("")).await.expect(503).code(), "BROKER_UNAVAILABLE");
}

#[tokio::test]
async fn what_waits_behind_messages_without_a_report_is_refused_after_a_second_and_never_written() {
    let whole = Whole::start_with(|config| config.ack_wait = Duration::from_secs(3)).await;
    let out = stall(&whole);
    // A write that has no answer for so long is out, or behind one that is.
    loop {
        let client = whole.client().clone();
        let write = tokio::spawn(async move { client.delete(&by_id("")).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        if !write.is_finished() {
            break;
        }
    }
    let mut behind = JoinSet::new();
    for n in 0..16 {
        let client = whole.client().clone();
        behind.spawn(async move {
            let name = format!("behind-{n}");
            let answer = client.request("DELETE", by_id("")).header("x-correlation-id", &name).send().await;
            (name, answer.status)
        });
    }
    let answers = behind.join_all().await;
    let refused: Vec<&str> =
        answers.iter().filter(|(_, status)| *status == 503).map(|(name, _)| name.as_str()).collect();
    assert_eq!(refused.len(), answers.len(), "{answers:?}");
    assert_eq!(out.await.expect("an answer").expect(504).code(), "OUTCOME_UNKNOWN");

    whole.broker.set_delay(Duration::ZERO);
    eventually(SOON, async || whole.client().delete(&by_id("")).await.status == 202).await;
    for record in whole.log().await {
        let written = crate::harness::value(&record)["correlationId"].clone();
        assert!(!refused.contains(&written.as_str().expect("text")), "{written} was refused");
    }
}

/// From now on nothing is acknowledged. The answer to the first write that was not is still to come.
fn stall(whole: &Whole) -> JoinHandle<Answer> {
    whole.broker.set_delay(Duration::from_mins(1));
    let client = whole.client().clone();
    tokio::spawn(async move { first_without_report(&client).await })
}

/// The broker's thread may take a moment to begin its delay: what it answers until then does not count.
async fn first_without_report(client: &Client) -> Answer {
    for _ in 0..10_000 {
        let answer = client.request("DELETE", by_id("")).header("idempotency-key", "k-1").send().await;
        if answer.status != 202 {
            return answer;
        }
    }
    panic!("the broker answers as if nothing had been said");
}
