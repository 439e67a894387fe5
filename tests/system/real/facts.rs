//! What is on the topics of facts: readable by any client, in order per key, each fact of the journal there.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use testkit::checker;
use testkit::kafka::may_leave_out;
use testkit::topics::{self, Message, Topics};

use super::load::Load;
use crate::client::Shop;
use crate::deployment::Deployment;
use testkit::process::report;

const KILLS: usize = 4;

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
    let [items, stock, letters] =
        ["inventory.items", "inventory.stock", "inventory.dlq"].map(|topic| read(&brokers, topic));
    for (topic, facts) in [("inventory.items", &items), ("inventory.stock", &stock)] {
        for message in facts {
            assert_readable(topic, message);
        }
    }
    let [items, stock, dlq] = [&items, &stock, &letters].map(|topic| topic.iter().map(plain).collect());
    let published = topics::check(&deployment.database, &Topics { items, stock, dlq }, KILLS);
    published.assert_clean();
    report(&published.to_string());
    let requests = read(&brokers, "inventory.commands");
    let (poison, requests) = requests.split_last().expect("there are requests");
    assert_eq!(poison["key"], "k");
    for message in requests {
        assert_readable("inventory.commands", message);
    }
    assert_eq!((&letters[0]["key"], &letters[0]["payload"]), (&"k".into(), &"{\"no\":\"request\"}".into()));
    assert_eq!(header(&letters[0], "dlq-origin-topic"), Some("inventory.commands"));
    deployment.interrupt();
    let mut history = shop.history();
    history.poison = dead_letter(&deployment);
    checker::check(&deployment.database, &history).assert_clean();
}

/// As the checker takes it; all that is here is text.
fn plain(message: &Value) -> Message {
    let bytes = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec());
    let name = |value: &Value| value.as_str().expect("a name").to_owned();
    let headers = message["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
    Message {
        partition: message["partition"].as_i64().and_then(|number| number.try_into().ok()).expect("a partition"),
        offset: message["offset"].as_i64().expect("an offset"),
        key: bytes(&message["key"]),
        value: bytes(&message["payload"]),
        headers: headers.chunks(2).map(|pair| (name(&pair[0]), bytes(&pair[1]))).collect(),
    }
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
