//! What is on the topics of facts: readable by any client, in order per key, each fact of the journal there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use testkit::checker;
use testkit::kafka::may_leave_out;

use super::load::Load;
use crate::client::Shop;
use crate::deployment::Deployment;
use testkit::process::report;

const KILLS: u32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn across_kills_of_the_listener_every_fact_is_on_its_topic_once_and_in_order_per_key() {
    if !kcat_is_there() {
        return;
    }
    let Some(mut deployment) = Deployment::real().await else { return };
    let shop = Shop::of(&deployment).await;
    let load = Load::start(&shop).await;
    for _ in 0..KILLS {
        let real = deployment.real_parts();
        real.take_active().await.process.kill();
        real.add_listener(&[]);
        load.get_on(300).await;
    }
    load.stop().await;
    deployment.quiet().await;
    let brokers = deployment.real_parts().kafka.address();
    put_poison(&brokers);
    deployment.quiet().await;
    for (stream, topic) in [(0, "inventory.items"), (1, "inventory.stock")] {
        let messages = read(&brokers, topic);
        for message in &messages {
            assert_readable(topic, message);
        }
        let repeated = compare(&messages, &journal(&deployment, stream)).unwrap_or_else(|why| panic!("{topic}: {why}"));
        report(&format!("{topic}: {} messages, {repeated} of them again", messages.len()));
    }
    let requests = read(&brokers, "inventory.commands");
    let (poison, requests) = requests.split_last().expect("there are requests");
    assert_eq!(poison["key"], "k");
    for message in requests {
        assert_readable("inventory.commands", message);
    }
    let letters = read(&brokers, "inventory.dlq");
    assert_eq!((&letters[0]["key"], &letters[0]["payload"]), (&"k".into(), &"{\"no\":\"request\"}".into()));
    assert_eq!(header(&letters[0], "dlq-origin-topic"), Some("inventory.commands"));
    deployment.interrupt();
    let mut history = shop.history();
    history.poison = dead_letter(&deployment);
    checker::check(&deployment.database, &history).assert_clean();
}

/// The ids of the journal's facts of one topic, by key, in order.
fn journal(deployment: &Deployment, stream: u8) -> BTreeMap<String, Vec<String>> {
    let database = Connection::open(&deployment.database).expect("opened");
    let mut statement = database
        .prepare(
            "SELECT message ->> 'aggregateId', message ->> 'eventId' FROM journal WHERE stream = ?1 ORDER BY sequence",
        )
        .expect("prepared");
    let rows = statement.query_map([stream], |row| Ok((row.get(0)?, row.get(1)?))).expect("read");
    rows.map(|row| row.expect("a row")).fold(BTreeMap::new(), |mut facts, (key, id): (String, String)| {
        facts.entry(key).or_default().push(id);
        facts
    })
}

/// How many messages are there again. What is left without these must be the journal's facts, in its order per key.
fn compare(messages: &[Value], journal: &BTreeMap<String, Vec<String>>) -> Result<usize, String> {
    let mut seen = BTreeSet::new();
    let mut facts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in messages {
        let body = body(message);
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        if seen.insert(text("eventId")) {
            facts.entry(text("aggregateId")).or_default().push(text("eventId"));
        }
    }
    for (key, expected) in journal {
        let found = facts.get(key).map_or(&[][..], Vec::as_slice);
        if found != expected {
            let at = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
            return Err(format!(
                "{key}: {} facts, {} in the journal, first other one {at}",
                found.len(),
                expected.len()
            ));
        }
    }
    if facts.len() == journal.len() { Ok(messages.len() - seen.len()) } else { Err("a key of no fact".to_owned()) }
}

/// As anybody sees it who does not know us: a key that is text, a value that is one JSON object, headers that are text.
fn assert_readable(topic: &str, message: &Value) {
    let body = body(message);
    assert!(body.is_object(), "{topic}: {message}");
    assert_eq!(message["key"], body["aggregateId"], "{topic}");
    for (name, field) in [("event-type", "eventType"), ("event-id", "eventId"), ("timestamp", "occurredAt")] {
        assert_eq!(header(message, name), body[field].as_str(), "{topic}: {name}");
    }
    assert_eq!(header(message, "content-type"), Some("application/json"), "{topic}");
}

fn body(message: &Value) -> Value {
    serde_json::from_str(message["payload"].as_str().expect("text")).expect("JSON")
}

/// kcat shows headers as one list of names and values.
fn header<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    let headers = message["headers"].as_array()?;
    headers.chunks(2).find(|pair| pair[0] == name)?[1].as_str()
}

/// Everything on a topic, partition by partition in order of offsets.
fn read(brokers: &str, topic: &str) -> Vec<Value> {
    let printed = kcat(&["-C", "-b", brokers, "-t", topic, "-o", "beginning", "-e", "-q", "-J"], &[]);
    String::from_utf8(printed).expect("text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn put_poison(brokers: &str) {
    kcat(&["-P", "-b", brokers, "-t", "inventory.commands", "-K", "|"], b"k|{\"no\":\"request\"}\n");
}

fn dead_letter(deployment: &Deployment) -> Vec<checker::Origin> {
    let database = Connection::open(&deployment.database).expect("opened");
    let (log, offset) = database
        .query_row("SELECT log_id, next_offset - 1 FROM logs", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("one log");
    vec![checker::Origin { log, partition: 0, offset }]
}

/// What it prints, having read `input`.
pub(super) fn kcat(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("kcat")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kcat");
    child.stdin.take().expect("piped").write_all(input).expect("read by kcat");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "kcat {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub(super) fn kcat_is_there() -> bool {
    let there = Command::new("kcat").arg("-V").output().is_ok();
    let missing: &[&str] = if there { &[] } else { &["kcat"] };
    may_leave_out("this test", missing, std::env::var_os("CI").is_some()).is_some()
}

#[test]
fn a_fact_that_is_missing_or_out_of_order_is_found() {
    let message = |key: &str, id: &str| {
        let payload = serde_json::json!({"aggregateId": key, "eventId": id}).to_string();
        serde_json::json!({"payload": payload})
    };
    let facts = |ids: &[&str]| BTreeMap::from([("k".to_owned(), ids.iter().map(|id| (*id).to_owned()).collect())]);
    let [a, b] = [message("k", "a"), message("k", "b")];
    assert_eq!(compare(&[a.clone(), b.clone(), a.clone(), b.clone()], &facts(&["a", "b"])), Ok(2));
    assert!(compare(&[b.clone(), a.clone()], &facts(&["a", "b"])).is_err(), "out of order");
    assert!(compare(std::slice::from_ref(&a), &facts(&["a", "b"])).is_err(), "missing");
    assert!(compare(&[a, b, message("other", "c")], &facts(&["a", "b"])).is_err(), "one too many");
}
