//! From bytes on the log to a request, or to the reason why they are none.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::body;
use super::{CONTENT_TYPE_JSON, Command, RequestEnvelope, SCHEMA_VERSION, header};
use crate::clock::Timestamp;
use crate::id::{CommandId, EventId, IdempotencyId, ItemId};

/// Why a message is no request. Each is a dead letter at once: trying again cannot help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing to say whom it is for.
    #[error("the message has no key; the key is the aggregate id")]
    MissingKey,
    /// No value: a tombstone.
    #[error("the message has no value")]
    MissingValue,
    /// No JSON object of the form of docs/EVENTS.md.
    #[error("the message is not a request: {0}")]
    Malformed(String),
    /// An event type that this topic does not carry.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// Written by a newer program.
    #[error("schema version {found} is newer than {SCHEMA_VERSION}, the newest that this program reads")]
    UnsupportedVersion {
        /// The version of the message.
        found: u32,
    },
    /// Routed by one id, addressed to another.
    #[error("the key {key:?} is not the aggregate id {aggregate_id}")]
    KeyMismatch {
        /// The message's key.
        key: String,
        /// The body's id.
        aggregate_id: ItemId,
    },
    /// A header says otherwise than the body.
    #[error("the header {name} is {header:?}, the body says {body:?}")]
    HeaderMismatch {
        /// The header.
        name: &'static str,
        /// Its value.
        header: String,
        /// What the body has there.
        body: String,
    },
}

impl DecodeError {
    /// Every code, for the docs.
    pub const CODES: [&'static str; 7] = [
        "MISSING_KEY",
        "MISSING_VALUE",
        "MALFORMED_MESSAGE",
        "UNKNOWN_TYPE",
        "UNSUPPORTED_VERSION",
        "KEY_MISMATCH",
        "HEADER_MISMATCH",
    ];

    /// The stable code, as the dead letter carries it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingKey => "MISSING_KEY",
            Self::MissingValue => "MISSING_VALUE",
            Self::Malformed(_) => "MALFORMED_MESSAGE",
            Self::UnknownType(_) => "UNKNOWN_TYPE",
            Self::UnsupportedVersion { .. } => "UNSUPPORTED_VERSION",
            Self::KeyMismatch { .. } => "KEY_MISMATCH",
            Self::HeaderMismatch { .. } => "HEADER_MISMATCH",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    event_id: EventId,
    aggregate_id: ItemId,
    occurred_at: Timestamp,
    version: u32,
    command_id: CommandId,
    #[serde(borrow)]
    correlation_id: Cow<'a, str>,
    idempotency_id: Option<IdempotencyId>,
    #[serde(borrow)]
    fingerprint: Cow<'a, str>,
    expected_version: Option<u64>,
    #[serde(borrow)]
    actor: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Reads one message of `inventory.commands`. Headers may be missing, but none may contradict the body.
pub fn decode_request<'m>(
    key: Option<&[u8]>,
    value: Option<&'m [u8]>,
    headers: impl Iterator<Item = (&'m str, Option<&'m [u8]>)>,
) -> Result<RequestEnvelope, DecodeError> {
    let value = value.ok_or(DecodeError::MissingValue)?;
    let wire: Wire<'_> = serde_json::from_slice(value).map_err(|error| classify(value, &error))?;
    if wire.version != SCHEMA_VERSION {
        return Err(wrong_version(wire.version));
    }
    let command = command(&wire)?;
    let key = key.ok_or(DecodeError::MissingKey)?;
    if ItemId::parse(&String::from_utf8_lossy(key)) != Ok(wire.aggregate_id) {
        return Err(DecodeError::KeyMismatch {
            key: String::from_utf8_lossy(key).into_owned(),
            aggregate_id: wire.aggregate_id,
        });
    }
    for (name, header) in headers {
        contradiction(&wire, name, header.unwrap_or_default())?;
    }
    Ok(RequestEnvelope {
        event_type: command.event_type(),
        event_id: wire.event_id,
        aggregate_id: wire.aggregate_id,
        occurred_at: wire.occurred_at,
        version: wire.version,
        command_id: wire.command_id,
        correlation_id: wire.correlation_id.into_owned(),
        idempotency_id: wire.idempotency_id,
        fingerprint: wire.fingerprint.into_owned(),
        expected_version: wire.expected_version,
        actor: wire.actor.into_owned(),
        data: command,
    })
}

fn command(wire: &Wire<'_>) -> Result<Command, DecodeError> {
    fn read<'a, T: Deserialize<'a>>(data: &'a RawValue) -> Result<T, DecodeError> {
        serde_json::from_str(data.get()).map_err(|error| DecodeError::Malformed(format!("data: {error}")))
    }
    Ok(match wire.event_type.as_ref() {
        "ItemCreationRequested" => {
            let body::CreateItem { sku, name, description, quantity } = read(wire.data)?;
            if ItemId::of(&sku) != wire.aggregate_id {
                let detail = format!("data: {} is not the id of sku {sku}", wire.aggregate_id);
                return Err(DecodeError::Malformed(detail));
            }
            Command::CreateItem { sku, name, description, quantity }
        }
        "ItemUpdateRequested" => {
            let body::UpdateItem { name, description } = read(wire.data)?;
            Command::UpdateItem { name, description }
        }
        "ItemDeletionRequested" => Command::DeleteItem {},
        "StockAdjustmentRequested" => {
            let body::AdjustStock { store_id, quantity, reason, reference } = read(wire.data)?;
            Command::AdjustStock { store_id: known(store_id)?, quantity, reason, reference }
        }
        "StockReservationRequested" => {
            let body::MoveStock { store_id, quantity } = read(wire.data)?;
            Command::ReserveStock { store_id: known(store_id)?, quantity }
        }
        "StockReleaseRequested" => {
            let body::MoveStock { store_id, quantity } = read(wire.data)?;
            Command::ReleaseStock { store_id: known(store_id)?, quantity }
        }
        other => return Err(DecodeError::UnknownType(other.to_owned())),
    })
}

fn known(store: crate::text::StoreId) -> Result<crate::text::StoreId, DecodeError> {
    if store.is_main() {
        Ok(store)
    } else {
        Err(DecodeError::Malformed(format!("data: there is no store {store}; the only one is main")))
    }
}

fn contradiction(wire: &Wire<'_>, name: &str, header: &[u8]) -> Result<(), DecodeError> {
    let header = String::from_utf8_lossy(header);
    let (name, body, agrees) = match name {
        header::EVENT_TYPE => (header::EVENT_TYPE, wire.event_type.to_string(), header == wire.event_type),
        header::EVENT_ID => {
            let agrees = EventId::parse(&header) == Ok(wire.event_id);
            (header::EVENT_ID, wire.event_id.to_string(), agrees)
        }
        header::TIMESTAMP => {
            let agrees = Timestamp::parse(&header) == Some(wire.occurred_at);
            (header::TIMESTAMP, wire.occurred_at.to_string(), agrees)
        }
        header::CONTENT_TYPE => {
            let essence = header.split(';').next().unwrap_or_default().trim();
            let agrees = essence.eq_ignore_ascii_case(CONTENT_TYPE_JSON);
            (header::CONTENT_TYPE, CONTENT_TYPE_JSON.to_owned(), agrees)
        }
        _ => return Ok(()),
    };
    if agrees { Ok(()) } else { Err(DecodeError::HeaderMismatch { name, header: header.into_owned(), body }) }
}

fn wrong_version(found: u32) -> DecodeError {
    if found > SCHEMA_VERSION {
        DecodeError::UnsupportedVersion { found }
    } else {
        DecodeError::Malformed(format!("there is no schema version {found}"))
    }
}

/// A message from the future need not have today's fields, so what it says of itself decides first.
fn classify(value: &[u8], error: &serde_json::Error) -> DecodeError {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe<'a> {
        #[serde(borrow)]
        event_type: Option<Cow<'a, str>>,
        version: Option<u32>,
    }
    match serde_json::from_slice::<Probe<'_>>(value) {
        Ok(Probe { version: Some(found), .. }) if found > SCHEMA_VERSION => DecodeError::UnsupportedVersion { found },
        Ok(Probe { event_type: Some(name), .. }) if !Command::EVENT_TYPES.contains(&name.as_ref()) => {
            DecodeError::UnknownType(name.into_owned())
        }
        _ => DecodeError::Malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::fingerprint;
    use crate::quantity::{PositiveQuantity, Quantity};
    use crate::text::{Name, Sku, StoreId};

    fn creation() -> RequestEnvelope {
        let sku = Sku::parse("PROD-001").expect("valid");
        let item = ItemId::of(&sku);
        let command = Command::CreateItem {
            sku,
            name: Name::parse("Cable").expect("valid"),
            description: None,
            quantity: Quantity::ZERO,
        };
        let fingerprint = fingerprint(item, &command, None);
        RequestEnvelope::new(item, CommandId::fresh(), command, fingerprint, Timestamp::from_millis(0))
    }

    fn decode(message: &serde_json::Value) -> Result<RequestEnvelope, DecodeError> {
        let key = message["aggregateId"].as_str().unwrap_or_default().to_owned();
        let bytes = serde_json::to_vec(message).expect("JSON");
        decode_request(Some(key.as_bytes()), Some(&bytes), std::iter::empty())
    }

    fn as_json(envelope: &RequestEnvelope) -> serde_json::Value {
        serde_json::to_value(envelope).expect("JSON")
    }

    #[test]
    fn every_request_reads_back_as_it_was_written() {
        let item = creation().aggregate_id;
        let quantity = PositiveQuantity::parse(2).expect("valid");
        let adjustment = crate::quantity::Adjustment::parse(-2).expect("valid");
        let commands = [
            creation().data,
            Command::UpdateItem { name: Name::parse("x").expect("valid"), description: None },
            Command::DeleteItem {},
            Command::AdjustStock { store_id: StoreId::main(), quantity: adjustment, reason: None, reference: None },
            Command::ReserveStock { store_id: StoreId::main(), quantity },
            Command::ReleaseStock { store_id: StoreId::main(), quantity },
        ];
        for command in commands {
            let print = fingerprint(item, &command, None);
            let envelope = RequestEnvelope::new(item, CommandId::fresh(), command, print, Timestamp::from_millis(1));
            assert_eq!(decode(&as_json(&envelope)), Ok(envelope));
        }
    }

    #[test]
    fn what_is_no_request_names_its_fault() {
        let code = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut message = as_json(&creation());
            change(&mut message);
            decode(&message).expect_err("refused").code()
        };
        assert_eq!(code(&|m| m["eventType"] = "ItemEaten".into()), "UNKNOWN_TYPE");
        assert_eq!(code(&|m| m["version"] = 2.into()), "UNSUPPORTED_VERSION");
        assert_eq!(code(&|m| m["version"] = 0.into()), "MALFORMED_MESSAGE");
        assert_eq!(code(&|m| *m = serde_json::json!({"version": 9, "new": true})), "UNSUPPORTED_VERSION");
        assert_eq!(code(&|m| *m = serde_json::json!({"eventType": "New"})), "UNKNOWN_TYPE");
        assert_eq!(code(&|m| *m = serde_json::json!([1])), "MALFORMED_MESSAGE");
        assert_eq!(code(&|m| m["data"]["quantity"] = (-1).into()), "MALFORMED_MESSAGE");
        assert_eq!(code(&|m| m["data"]["sku"] = "OTHER".into()), "MALFORMED_MESSAGE");
    }

    #[test]
    fn key_value_and_headers_must_agree_with_the_body() {
        let envelope = creation();
        let bytes = serde_json::to_vec(&envelope).expect("JSON");
        let key = envelope.aggregate_id.to_string();
        let decode = |key: Option<&str>, headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|&(name, value)| (name, Some(value.as_bytes())));
            decode_request(key.map(str::as_bytes), Some(&bytes), headers).map_err(|error| error.code())
        };
        assert_eq!(decode(None, &[]), Err("MISSING_KEY"));
        assert_eq!(decode(Some("x"), &[]), Err("KEY_MISMATCH"));
        assert_eq!(decode(Some(&key), &[("event-type", "Other")]), Err("HEADER_MISMATCH"));
        assert_eq!(decode(Some(&key), &[("event-id", "1")]), Err("HEADER_MISMATCH"));
        assert_eq!(decode(Some(&key), &[("timestamp", "2001-01-01T00:00:00Z")]), Err("HEADER_MISMATCH"));
        assert_eq!(decode(Some(&key), &[("content-type", "text/plain")]), Err("HEADER_MISMATCH"));
        assert!(decode(Some(&key), &[("timestamp", "1970-01-01T00:00:00Z"), ("mine", "x")]).is_ok());
        assert_eq!(
            decode_request(Some(b"k"), None, std::iter::empty()).map_err(|error| error.code()),
            Err("MISSING_VALUE")
        );
    }
}
