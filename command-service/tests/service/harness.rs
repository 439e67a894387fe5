//! The service on a free port, with a broker of its own and a client that holds every answer to the document.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use command_service::{App, Config, QueryBaseUrl};
use kafka::{Connection, EmbeddedBroker, Record, Topics};
use serde_json::Value;
use shared::lifecycle::Shutdown;
use shared::message::{RequestEnvelope, decode_request};
use shared::settings::{KafkaSettings, TopicSettings};
use testkit::contract::{Answer, Client};
use testkit::poll::eventually;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const ITEMS: &str = "/api/v1/inventory/items";
pub(crate) const TRANSFERS: &str = "/api/v1/inventory/transfers";
pub(crate) const BATCHES: &str = "/api/v1/inventory/batches";
pub(crate) const RESERVATIONS: &str = "/api/v1/reservations";
pub(crate) const STORES: &str = "/api/v1/stores";
/// `PROD-001` and the id that follows from it.
pub(crate) const SKU: &str = "PROD-001";
pub(crate) const ITEM: &str = "5ba52b28-0660-54e0-a935-615efcb68195";
/// A reservation, as a client may name it.
pub(crate) const RESERVATION: &str = "8d0d8a3c-6a1e-5a54-9d1e-0d9c6f9a1f55";
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A path below the item by its id.
pub(crate) fn by_id(rest: &str) -> String {
    format!("{ITEMS}/{ITEM}{rest}")
}

/// A path below the item by its SKU.
pub(crate) fn by_sku(rest: &str) -> String {
    format!("{ITEMS}/sku/{SKU}{rest}")
}

/// A path below the reservation.
pub(crate) fn reservation(rest: &str) -> String {
    format!("{RESERVATIONS}/{RESERVATION}{rest}")
}

pub(crate) struct Running {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) served: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Serves; the broker need not be there.
    pub(crate) async fn start(connection: &Connection, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            host: "127.0.0.1".to_owned(),
            port: 0,
            drain: Duration::from_secs(5),
            kafka: connection.clone(),
            topics: Topics::default(),
            query_base_url: QueryBaseUrl::parse("http://query.example:8081/").expect("a URL"),
            ack_wait: Duration::from_secs(5),
            applied: None,
        };
        change(&mut config);
        let app = App::build(config).await.expect("a free port");
        let address = app.address();
        let shutdown = Shutdown::new();
        let served = tokio::spawn(app.run(shutdown.clone()));
        let client = Client::connect(format!("http://{address}")).await;
        Self { client, address, shutdown, served }
    }

    pub(crate) async fn until_ready(&self, ready: bool) {
        eventually(SOON, async || {
            let answer = self.client.get("/health/ready").await;
            (answer.status == if ready { 200 } else { 503 }).then_some(()).ok_or(answer.text())
        })
        .await;
    }

    /// Ends it, and gives what the program would have ended with.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.begin(Duration::from_secs(5));
        self.served.await.expect("it did not panic")
    }

    /// Sends bytes as they are, and closes; the answer is still held to the document.
    pub(crate) async fn raw(&self, method: &str, path: &str, rest: impl Into<Vec<u8>>) -> Answer {
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n").into_bytes();
        bytes.extend(rest.into());
        let address = self.address;
        let exchange = move || {
            let mut stream = TcpStream::connect(address).expect("it listens");
            stream.write_all(&bytes).expect("it reads");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("it answers");
            answer
        };
        let answer = parse(&tokio::task::spawn_blocking(exchange).await.expect("no panic"));
        let checked = self.client.document().check(&method.parse().expect("a method"), path, &answer);
        assert_eq!(checked, Ok(()), "{}", answer.text());
        answer
    }
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (status, headers) = head.split_once("\r\n").expect("a status line");
    let headers = headers
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() }
}

/// The service with a broker that is up, ready.
pub(crate) struct Whole {
    pub(crate) service: Running,
    pub(crate) broker: EmbeddedBroker,
}

impl Whole {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let broker = EmbeddedBroker::start(&Topics::default()).expect("a broker");
        let service = Running::start(broker.connection(), change).await;
        service.until_ready(true).await;
        Self { service, broker }
    }

    /// With a log that is durable only once the writer, played by what is returned, has applied it.
    pub(crate) async fn start_embedded(ack_wait: Duration) -> (Self, watch::Sender<i64>) {
        let (writer, applied) = watch::channel(0);
        let whole = Self::start_with(|config| {
            config.ack_wait = ack_wait;
            config.applied = Some(applied);
        })
        .await;
        (whole, writer)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.service.client
    }

    /// What is on the log, in its order.
    pub(crate) async fn log(&self) -> Vec<Record> {
        let connection = self.broker.connection().clone();
        let read = move || kafka::newest(&connection, "inventory.commands", 10_000, Duration::from_secs(10));
        let mut records = tokio::task::spawn_blocking(read).await.expect("no panic").expect("the broker is up");
        records.sort_by_key(|record| record.offset);
        records
    }

    /// The only message on the log.
    pub(crate) async fn only_message(&self) -> Record {
        let mut log = self.log().await;
        assert_eq!(log.len(), 1, "{log:?}");
        log.remove(0)
    }

    /// The last message on the log, as the writer reads it.
    pub(crate) async fn last_request(&self) -> RequestEnvelope {
        decoded(self.log().await.last().expect("a message"))
    }
}

/// As the writer reads it.
pub(crate) fn decoded(record: &Record) -> RequestEnvelope {
    let headers = record.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
    decode_request(record.key.as_deref(), record.value.as_deref(), headers).expect("the writer can read it")
}

/// The value as JSON.
pub(crate) fn value(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap_or_default()).expect("JSON")
}

/// A header's text.
pub(crate) fn header<'a>(record: &'a Record, name: &str) -> &'a str {
    let (_, value) = record.headers.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no header {name}"));
    std::str::from_utf8(value.as_deref().unwrap_or_default()).expect("text")
}

/// A broker that is not there: nothing listens on the port.
pub(crate) fn unreachable() -> Connection {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let topics = Topics::default();
    let settings = KafkaSettings {
        kafka_brokers: Some(format!("127.0.0.1:{port}")),
        kafka_properties: None,
        topics: TopicSettings {
            kafka_topic_commands: topics.commands,
            kafka_topic_items: topics.items,
            kafka_topic_stock: topics.stock,
            kafka_topic_dlq: topics.dlq,
        },
    };
    Connection::from_settings(&settings).expect("right settings").expect("brokers are named")
}
