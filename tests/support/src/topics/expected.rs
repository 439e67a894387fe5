//! What the database says that is to be on the topics, worked out beside the publisher: the event id and the key are
//! taken from the body.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use serde::Deserialize;
use shared::clock::Timestamp;
use uuid::Uuid;

use super::Header;

pub(super) struct Expected {
    pub items: BTreeMap<Uuid, Fact>,
    pub stock: BTreeMap<Uuid, Fact>,
    pub letters: BTreeMap<Uuid, Letter>,
}

pub(super) struct Fact {
    pub sequence: i64,
    pub key: String,
    pub message: String,
    pub headers: Vec<Header>,
}

pub(super) struct Letter {
    pub sequence: i64,
    /// Log, topic, partition and offset.
    pub origin: (i64, String, i32, i64),
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Those that it came with, then ours.
    pub headers: Vec<Header>,
    pub is_unpublishable: bool,
}

impl Expected {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let facts = |stream: i64| {
            let mut statement = connection.prepare(
                "SELECT sequence, event_type, occurred_at, traceparent, message FROM journal
                 WHERE stream = ? AND message IS NOT NULL",
            )?;
            statement.query_map([stream], fact)?.collect::<rusqlite::Result<_>>()
        };
        let mut statement = connection.prepare(
            "SELECT dead_letter_id, sequence, code, detail, attempts, log, origin_topic, origin_partition,
                 origin_offset, key, value, headers, publish_error IS NOT NULL
             FROM dead_letters",
        )?;
        let letters = statement.query_map([], letter)?.collect::<rusqlite::Result<_>>()?;
        Ok(Self { items: facts(0)?, stock: facts(1)?, letters })
    }
}

fn fact(row: &Row<'_>) -> rusqlite::Result<(Uuid, Fact)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        event_id: Uuid,
        aggregate_id: String,
    }
    let message: String = row.get(4)?;
    let Named { event_id, aggregate_id } = json(&message, 4)?;
    let mut headers = vec![
        text("event-type", row.get::<_, String>(1)?),
        text("event-id", event_id.to_string()),
        text("timestamp", Timestamp::from_millis(row.get(2)?).to_string()),
        text("content-type", "application/json"),
    ];
    headers.extend(row.get::<_, Option<String>>(3)?.map(|parent| text("traceparent", parent)));
    Ok((event_id, Fact { sequence: row.get(0)?, key: aggregate_id, message, headers }))
}

fn letter(row: &Row<'_>) -> rusqlite::Result<(Uuid, Letter)> {
    let id: Uuid = row.get(0)?;
    let (topic, partition, offset): (String, i32, i64) = (row.get(6)?, row.get(7)?, row.get(8)?);
    let stored: Vec<(String, Option<String>)> = json(&row.get::<_, String>(11)?, 11)?;
    let decoded = |(name, value): (String, Option<String>)| {
        let value = value.map(|value| STANDARD.decode(value)).transpose();
        value.map(|value| (name, value)).map_err(|error| unreadable(11, error))
    };
    let mut headers = stored.into_iter().map(decoded).collect::<rusqlite::Result<Vec<Header>>>()?;
    headers.extend([
        text("dlq-id", id.to_string()),
        text("dlq-code", row.get::<_, String>(2)?),
        text("dlq-detail", row.get::<_, String>(3)?),
        text("dlq-attempts", row.get::<_, i64>(4)?.to_string()),
        text("dlq-origin-topic", topic.clone()),
        text("dlq-origin-partition", partition.to_string()),
        text("dlq-origin-offset", offset.to_string()),
    ]);
    let letter = Letter {
        sequence: row.get(1)?,
        origin: (row.get(5)?, topic, partition, offset),
        key: row.get(9)?,
        value: row.get(10)?,
        headers,
        is_unpublishable: row.get(12)?,
    };
    Ok((id, letter))
}

fn text(name: &str, value: impl Into<String>) -> Header {
    (name.to_owned(), Some(value.into().into_bytes()))
}

fn json<'a, T: Deserialize<'a>>(text: &'a str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(column, error))
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
