//! `GET /monitoring/messages`.

use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kafka::Record;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use shared::clock::Timestamp;
use shared::http::body::Fault;
use shared::http::docs::{AnyProblem, Invalid, Unavailable};
use shared::http::params::{Params, whole};
use shared::problem::{Problem, ProblemCode};

use super::{Monitor, blocking};

const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Messages {
    #[schema(example = "inventory.stock")]
    topic: String,
    /// Newest first.
    messages: Vec<Message>,
}

/// One message as it is on the topic.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Message {
    partition: i32,
    offset: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    timestamp: Option<Timestamp>,
    /// Null if it has none; `base64:…` if it is no UTF-8.
    key: Option<String>,
    headers: Vec<MessageHeader>,
    /// JSON if it is JSON, else text, or `base64:…` if it is no UTF-8; null for a tombstone.
    #[schema(value_type = Option<serde_json::Value>)]
    value: Option<Box<RawValue>>,
}

/// One header.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MessageHeader {
    pub(super) name: String,
    /// Null if it has none; `base64:…` if it is no UTF-8.
    pub(super) value: Option<String>,
}

/// The newest messages of one topic, for who has no Kafdrop.
#[utoipa::path(get, path = "/monitoring/messages", tag = "monitoring", params(
    ("topic" = Option<String>, Query, description = "One of the four topics; the commands' without it", example = "inventory.stock"),
    ("limit" = Option<u32>, Query, description = "1 to 100; 20 without it", minimum = 1, maximum = 100, example = 20),
), responses((status = 200, description = "The messages", body = Messages), Invalid, Unavailable, AnyProblem))]
pub(super) async fn messages(
    State(monitor): State<Monitor>,
    RawQuery(query): RawQuery,
) -> Result<Json<Messages>, Problem> {
    let topics = monitor.topics.definitions().into_iter().map(|topic| topic.name).collect::<Vec<_>>();
    let mut params = Params::parse(query.as_deref());
    let topic = params.optional("topic", |text| known(&topics, text));
    let limit = params.optional("limit", whole(1, 100)).unwrap_or(20);
    params.finish()?;
    let topic = topic.unwrap_or_else(|| monitor.topics.commands.clone());
    let busy = |_| Problem::new(ProblemCode::SourceUnavailable, "too many are looking at the broker; try again");
    let _turn = monitor.broker_looks.try_acquire().map_err(busy)?;
    let (kafka, name) = (monitor.kafka.clone(), topic.clone());
    let limit = usize::try_from(limit).expect("at most 100");
    let records = blocking(move || kafka::newest(&kafka, &name, limit, TIMEOUT)).await?;
    let records = records.map_err(|error| Problem::new(ProblemCode::SourceUnavailable, error.to_string()))?;
    Ok(Json(Messages { topic, messages: records.iter().map(shown).collect() }))
}

fn known(topics: &[String], text: &str) -> Result<String, Fault> {
    let found = topics.iter().find(|topic| *topic == text).cloned();
    found.ok_or_else(|| Fault("UNKNOWN_TOPIC", format!("must be one of {}", topics.join(", "))))
}

fn shown(record: &Record) -> Message {
    Message {
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp.map(Timestamp::from_millis),
        key: record.key.as_deref().map(text),
        headers: headers(&record.headers),
        value: record.value.as_deref().map(|bytes| {
            // As it stands, with its fields in their order.
            serde_json::from_slice(bytes).or_else(|_| to_raw_value(&text(bytes))).expect("text always serialises")
        }),
    }
}

/// As text where it is text.
pub(super) fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("base64:{}", STANDARD.encode(bytes)), str::to_owned)
}

pub(super) fn headers(headers: &[kafka::Header]) -> Vec<MessageHeader> {
    let shown =
        |(name, value): &kafka::Header| MessageHeader { name: name.to_string(), value: value.as_deref().map(text) };
    headers.iter().map(shown).collect()
}
