//! The listener inside this process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use listener_service::app::App;
use listener_service::config::{Config, WhenHeld, WriterOptions};
use rusqlite::Connection;
use serde_json::Value;
use shared::lifecycle::Shutdown;
use shared::settings::RedisAddress;
use testkit::contract::Client;
use testkit::poll::eventually;
use tokio::task::JoinHandle;

use crate::spawned::{Broker, SOON, add_one, create, hold_for_a_second, look, outcomes};

pub(crate) struct Listener {
    pub(crate) client: Client,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Listener {
    pub(crate) async fn start(broker: &Broker, path: &Path) -> Self {
        Self::start_with(broker, path, None).await
    }

    pub(crate) async fn start_with(broker: &Broker, path: &Path, redis: Option<RedisAddress>) -> Self {
        Self::start_as(Config { redis, ..Self::config(broker, path) }).await
    }

    /// As it runs alone; a test changes what it is about.
    pub(crate) fn config(broker: &Broker, path: &Path) -> Config {
        Config {
            host: "127.0.0.1".to_owned(),
            port: 0,
            sqlite_path: path.to_owned(),
            kafka: broker.embedded.connection().clone(),
            topics: broker.topics.clone(),
            group_id: "test".to_owned(),
            writer: WriterOptions {
                batch_max: 100,
                max_retries: 2,
                retry_delay: Duration::from_millis(5),
                retry_max_delay: Duration::from_millis(20),
                lease: Duration::from_hours(1),
                retention: Duration::from_hours(1),
            },
            redis: None,
            accept_new_log: None,
            when_held: WhenHeld::StandBy,
        }
    }

    pub(crate) async fn start_as(config: Config) -> Self {
        let app = App::build(config).await.expect("built");
        let address = app.address();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(app.run(shutdown.clone()));
        Self { client: Client::connect(format!("http://{address}")).await, shutdown, running }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.begin(Duration::from_secs(10));
        self.running.await.expect("no panic").expect("stopped in order");
    }

    pub(crate) async fn is_ready(&self) -> Result<(), Value> {
        let answer = self.client.get("/health/ready").await;
        if answer.status == 200 { Ok(()) } else { Err(answer.json()) }
    }

    /// Waits for a 503 whose dependency says this.
    pub(crate) async fn not_ready_because(&self, dependency: &str, words: &str) {
        eventually(SOON, async || {
            let answer = self.client.get("/health/ready").await;
            let detail = answer.json()["dependencies"][dependency]["detail"].to_string();
            if answer.status == 503 && detail.contains(words) { Ok(()) } else { Err(answer.json()) }
        })
        .await;
    }
}

pub(crate) fn database() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inventory.db");
    (folder, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_published_in_order_with_their_headers() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    broker.send(&create("A", 3)).await;
    broker.send(&add_one("A")).await;
    outcomes(&path, 2).await;
    eventually(SOON, async || listener.client.get("/monitoring/stats").await.json()["published"] == 3).await;
    let facts = broker.read("inventory.stock");
    let bodies: Vec<Value> =
        facts.iter().map(|fact| serde_json::from_slice(fact.value.as_ref().expect("a value")).expect("JSON")).collect();
    let told: Vec<_> =
        bodies.iter().map(|body| (&body["eventType"], &body["sequence"], &body["data"]["newQuantity"])).collect();
    assert_eq!(
        format!("{told:?}"),
        "[(String(\"StockAdjusted\"), Number(2), Number(3)), (String(\"StockAdjusted\"), Number(3), Number(4))]"
    );
    for (fact, body) in facts.iter().zip(&bodies) {
        assert_eq!(fact.key.as_deref(), body["aggregateId"].as_str().map(str::as_bytes));
        for (header, field) in [("event-type", "eventType"), ("event-id", "eventId"), ("timestamp", "occurredAt")] {
            let value = fact.headers.iter().find(|(name, _)| name == header).and_then(|(_, value)| value.clone());
            assert_eq!(value.as_deref(), body[field].as_str().map(str::as_bytes), "{header}");
        }
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_found_on_the_dlq_topic_and_by_the_operator_and_what_follows_is_applied() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    let mine = ("mine".into(), Some(bytes::Bytes::from_static(b"\xff")));
    let offset = broker.put(Some(b"k"), b"\xffgarbage", &[mine]).await;
    broker.put(None, b"{}", &[]).await;
    broker.send(&create("A", 3)).await;
    outcomes(&path, 1).await;
    let dlq = eventually(SOON, async || Some(broker.read("inventory.dlq")).filter(|letters| letters.len() == 2)).await;
    assert_eq!((dlq[0].key.as_deref(), dlq[0].value.as_deref()), (Some(&b"k"[..]), Some(&b"\xffgarbage"[..])));
    let header = |name: &str| dlq[0].headers.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.clone());
    assert_eq!(header("mine").as_deref(), Some(&b"\xff"[..]));
    assert_eq!(header("dlq-code").as_deref(), Some(&b"MALFORMED_MESSAGE"[..]));
    assert_eq!(header("dlq-origin-offset").as_deref(), Some(offset.to_string().as_bytes()));

    let all = listener.client.get("/admin/dlq").await.json();
    assert_eq!(all["deadLetters"].as_array().map(Vec::len), Some(2));
    let newest = listener.client.get("/admin/dlq?limit=1").await.json();
    let next = newest["nextCursor"].as_str().expect("there is more").to_owned();
    let older = listener.client.get(&format!("/admin/dlq?limit=1&cursor={next}")).await.json();
    assert_eq!((&older["deadLetters"][0], &older["nextCursor"]), (&all["deadLetters"][1], &Value::Null));
    let id = older["deadLetters"][0]["deadLetterId"].as_str().expect("an id");
    let whole = listener.client.get(&format!("/admin/dlq/{id}")).await.json();
    assert_eq!(whole["value"], "base64:/2dhcmJhZ2U=");
    assert_eq!(whole["headers"][0]["value"], "base64:/w==");
    for (path, status) in [
        ("/admin/dlq/5ba52b28-0660-54e0-a935-615efcb68195".to_owned(), 404),
        ("/admin/dlq/1".to_owned(), 400),
        ("/admin/dlq?code=NO_SUCH".to_owned(), 422),
        (format!("/admin/dlq?code=TOO_OLD&cursor={next}"), 422),
        ("/admin/dlq?limit=0&x=1".to_owned(), 422),
    ] {
        assert_eq!(listener.client.get(&path).await.status, status, "{path}");
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_keeps_failing_is_dead_lettered_and_the_rest_goes_on() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    break_an_item(&path);
    for sku in ["B", "BROKEN", "C"] {
        broker.send(&create(sku, 0)).await;
    }
    outcomes(&path, 4).await;
    let letters = listener.client.get("/admin/dlq?code=RETRIES_EXHAUSTED").await.json();
    assert_eq!(letters["deadLetters"][0]["attempts"], 3);
    assert!(letters["deadLetters"][0]["detail"].to_string().contains("planted"), "{letters}");
    let stats = listener.client.get("/monitoring/stats").await.json();
    assert_eq!(
        (&stats["items"], &stats["outcomes"]["dead_lettered"], &stats["lag"]),
        (&3.into(), &1.into(), &0.into())
    );
    listener.stop().await;
}

fn break_an_item(path: &Path) {
    let trigger = "
        CREATE TRIGGER broken BEFORE INSERT ON items WHEN NEW.sku = 'BROKEN' BEGIN SELECT RAISE(ABORT, 'planted'); END";
    Connection::open(path).expect("opened").execute_batch(trigger).expect("planted");
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_do_not_wait_for_a_command_that_is_tried_again() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let mut config = Listener::config(&broker, &path);
    (config.writer.retry_delay, config.writer.retry_max_delay) = (Duration::from_mins(10), Duration::from_mins(10));
    let listener = Listener::start_as(config).await;
    broker.send(&create("A", 1)).await;
    outcomes(&path, 1).await;
    break_an_item(&path);
    broker.send(&hold_for_a_second("A")).await;
    broker.send(&create("BROKEN", 0)).await;
    let expired = "SELECT count(*) FROM journal WHERE event_type = 'ReservationExpired'";
    eventually(SOON, async || look::<i64>(&path, expired) == Some(1)).await;
    assert_eq!(listener.client.get("/monitoring/stats").await.json()["lag"], 1, "the command still waits");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_folder_is_named_and_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("volume/inventory.db");
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    listener.not_ready_because("database", "volume").await;
    assert_eq!(listener.client.get("/monitoring/database").await.code(), "SOURCE_UNAVAILABLE");
    std::fs::create_dir(folder.path().join("volume")).expect("mounted");
    eventually(SOON, async || listener.is_ready().await).await;
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_locked_makes_the_listener_not_ready_until_it_is_free() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    let intruder = Connection::open(&path).expect("opened");
    intruder.execute_batch("BEGIN IMMEDIATE").expect("locked");
    broker.send(&add_one("A")).await;
    listener.not_ready_because("database", "write lock").await;
    intruder.execute_batch("ROLLBACK").expect("free");
    outcomes(&path, 2).await;
    eventually(SOON, async || listener.is_ready().await).await;
    let letters = listener.client.get("/admin/dlq").await.json();
    assert_eq!(letters["deadLetters"].as_array().map(Vec::len), Some(0));
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_listener_stands_by_says_so_and_follows_when_the_first_stops() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let first = Listener::start(&broker, &path).await;
    eventually(SOON, async || first.is_ready().await).await;
    let second = Listener::start(&broker, &path).await;
    eventually(SOON, async || {
        let health = second.client.get("/health/ready").await.json();
        health["dependencies"]["lease"]["detail"].to_string().contains("standing by")
    })
    .await;
    assert_eq!(second.client.get("/monitoring/stats").await.json()["writer"], "standby");
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    first.stop().await;
    broker.send(&add_one("A")).await;
    outcomes(&path, 2).await;
    let stats = second.client.get("/monitoring/stats").await.json();
    assert_eq!((&stats["writer"], &stats["epoch"]), (&"active".into(), &2.into()));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_is_said_and_waited_for() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    eventually(SOON, async || listener.is_ready().await).await;
    broker.embedded.set_up(false);
    eventually(SOON, async || listener.is_ready().await.is_err()).await;
    let stats = listener.client.get("/monitoring/stats").await.json();
    assert_eq!((&stats["lag"], &stats["writer"]), (&Value::Null, &"active".into()));
    broker.embedded.set_up(true);
    eventually(SOON, async || listener.is_ready().await).await;
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_messages_and_database() {
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    let messages = listener.client.get("/monitoring/messages?topic=inventory.commands&limit=5").await.json();
    assert_eq!(messages["messages"][0]["value"]["eventType"], "ItemCreationRequested");
    assert_eq!(listener.client.get("/monitoring/messages?topic=other").await.status, 422);
    let database = listener.client.get("/monitoring/database").await.json();
    assert_eq!(database["schemaVersion"], 3);
    for path in ["/health/live", "/version", "/metrics", "/api/v1/health"] {
        assert_eq!(listener.client.get(path).await.status, 200, "{path}");
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_whose_name_is_no_text_makes_a_dead_letter_and_what_follows_is_applied() {
    if !kcat_is_there() {
        return;
    }
    let (_folder, path) = database();
    let broker = Broker::start().await;
    let listener = Listener::start(&broker, &path).await;
    let put = "printf 'k:{}' | kcat -P -b \"$0\" -t inventory.commands -K : -H \"$(printf '\\377')=x\"";
    let status = std::process::Command::new("sh")
        .args(["-c", put, broker.embedded.connection().brokers()])
        .status()
        .expect("kcat");
    assert!(status.success());
    broker.send(&create("A", 0)).await;
    outcomes(&path, 1).await;
    let letters = listener.client.get("/admin/dlq").await.json();
    assert!(letters["deadLetters"][0]["detail"].to_string().contains("not UTF-8"), "{letters}");
    listener.stop().await;
}

/// No other client here can write such a name. Without kcat the test is left out, and says so; CI must have it.
#[expect(clippy::disallowed_methods, reason = "what the machine has is no setting")]
fn kcat_is_there() -> bool {
    let found = std::process::Command::new("kcat").arg("-V").output().is_ok();
    assert!(found || std::env::var("CI").is_err(), "CI needs kcat");
    if !found {
        eprintln!("left out: kcat is not installed");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_for_a_topic_that_is_not_there_wait_for_it_and_none_is_passed_over() {
    let (_folder, path) = database();
    let mut broker = Broker::start().await;
    broker.topics.stock = "inventory.not.there".to_owned();
    let listener = Listener::start(&broker, &path).await;
    broker.send(&create("A", 3)).await;
    broker.send(&create("B", 3)).await;
    outcomes(&path, 2).await;
    eventually(SOON, async || listener.client.get("/monitoring/stats").await.json()["published"] == 1).await;
    listener.stop().await;
    broker.topics.stock = "inventory.stock".to_owned();
    let listener = Listener::start(&broker, &path).await;
    eventually(SOON, async || listener.client.get("/monitoring/stats").await.json()["published"] == 4).await;
    assert_eq!(broker.read("inventory.stock").len(), 2);
    listener.stop().await;
}
