//! From bytes on the log to a request, or to the reason why they are none.

use std::borrow::Cow;
use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::body;
use super::{CONTENT_TYPE_JSON, Command, RequestEnvelope, SCHEMA_VERSION, StoreFields, header};
use crate::aggregate::AggregateId;
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
        aggregate_id: String,
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
    #[serde(borrow)]
    aggregate_id: Cow<'a, str>,
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
    let kind = Command::aggregate_kind(&wire.event_type)
        .ok_or_else(|| DecodeError::UnknownType(wire.event_type.clone().into_owned()))?;
    let aggregate_id = kind
        .parse(&wire.aggregate_id)
        .map_err(|error| DecodeError::Malformed(format!("aggregateId {:?}: {error}", wire.aggregate_id)))?;
    let command = command(&wire, &aggregate_id)?;
    let key = String::from_utf8_lossy(key.ok_or(DecodeError::MissingKey)?);
    if kind.parse(&key).as_ref() != Ok(&aggregate_id) {
        return Err(DecodeError::KeyMismatch { key: key.into_owned(), aggregate_id: aggregate_id.to_string() });
    }
    for (name, header) in headers {
        contradiction(&wire, name, header.unwrap_or_default())?;
    }
    Ok(RequestEnvelope {
        event_type: command.event_type(),
        event_id: wire.event_id,
        aggregate_id,
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

fn command(wire: &Wire<'_>, of: &AggregateId) -> Result<Command, DecodeError> {
    fn read<'a, T: Deserialize<'a>>(data: &'a RawValue) -> Result<T, DecodeError> {
        serde_json::from_str(data.get()).map_err(|error| DecodeError::Malformed(format!("data: {error}")))
    }
    Ok(match wire.event_type.as_ref() {
        "ItemCreationRequested" => {
            let body::CreateItem { sku, fields, quantity } = read(wire.data)?;
            agree(of, &AggregateId::Item(ItemId::of(&sku)), format_args!("sku {sku}"))?;
            Command::CreateItem { sku, fields, quantity }
        }
        "ItemUpdateRequested" => Command::UpdateItem(read(wire.data)?),
        "ItemDeletionRequested" => Command::DeleteItem {},
        "StockAdjustmentRequested" => {
            let body::AdjustStock { store_id, quantity, reason, reference } = read(wire.data)?;
            Command::AdjustStock { store_id, quantity, reason, reference }
        }
        "StockReservationRequested" => {
            let body::MoveStock { store_id, quantity } = read(wire.data)?;
            Command::ReserveStock { store_id, quantity }
        }
        "StockReleaseRequested" => {
            let body::MoveStock { store_id, quantity } = read(wire.data)?;
            Command::ReleaseStock { store_id, quantity }
        }
        "StockCountRequested" => {
            let body::CountStock { store_id, quantity, expected_quantity, reason } = read(wire.data)?;
            Command::CountStock { store_id, quantity, expected_quantity, reason }
        }
        "StockSettingsRequested" => {
            let body::ConfigureStock { store_id, low_stock_threshold } = read(wire.data)?;
            Command::ConfigureStock { store_id, low_stock_threshold }
        }
        "StockTransferRequested" => transfer(read(wire.data)?)?,
        "ReservationRequested" => {
            let body::Reserve { store_id, lines, customer_id, order_id, ttl_seconds } = read(wire.data)?;
            Command::Reserve { store_id, lines, customer_id, order_id, ttl_seconds }
        }
        "ReservationConfirmationRequested" => {
            let body::ConfirmReservation { order_id, lines } = read(wire.data)?;
            Command::ConfirmReservation { order_id, lines }
        }
        "ReservationExtensionRequested" => {
            let body::ExtendReservation { ttl_seconds } = read(wire.data)?;
            Command::ExtendReservation { ttl_seconds }
        }
        "ReservationReleaseRequested" => Command::ReleaseReservation {},
        "StoreCreationRequested" => {
            let body::CreateStore { store_id, fields } = read(wire.data)?;
            agree(of, &AggregateId::Store(store_id.clone()), format_args!("storeId {store_id}"))?;
            Command::CreateStore { store_id, fields }
        }
        "StoreUpdateRequested" => update_store(of, read(wire.data)?)?,
        other => return Err(DecodeError::UnknownType(other.to_owned())),
    })
}

/// The id that the message is for must be that of what its data describes.
fn agree(of: &AggregateId, described: &AggregateId, by: std::fmt::Arguments<'_>) -> Result<(), DecodeError> {
    if of == described {
        return Ok(());
    }
    Err(DecodeError::Malformed(format!("data: {of} is not the id of {by}")))
}

fn transfer(body: body::TransferStock) -> Result<Command, DecodeError> {
    let body::TransferStock { from_store_id, to_store_id, quantity, reason } = body;
    if from_store_id == to_store_id {
        return Err(DecodeError::Malformed(format!("data: a transfer from {from_store_id} to itself")));
    }
    Ok(Command::TransferStock { from_store_id, to_store_id, quantity, reason })
}

fn update_store(of: &AggregateId, fields: StoreFields) -> Result<Command, DecodeError> {
    if let AggregateId::Store(store) = of
        && store.is_main()
        && !fields.active
    {
        return Err(DecodeError::Malformed(format!("data: the store {store} stays active")));
    }
    Ok(Command::UpdateStore(fields))
}

fn contradiction(wire: &Wire<'_>, name: &str, header: &[u8]) -> Result<(), DecodeError> {
    let header = String::from_utf8_lossy(header);
    let mismatch = |name: &'static str, body: &dyn Display| {
        Err(DecodeError::HeaderMismatch { name, header: header.to_string(), body: body.to_string() })
    };
    match name {
        header::EVENT_TYPE if header != wire.event_type => mismatch(header::EVENT_TYPE, &wire.event_type),
        header::EVENT_ID if EventId::parse(&header) != Ok(wire.event_id) => mismatch(header::EVENT_ID, &wire.event_id),
        header::TIMESTAMP if Timestamp::parse(&header) != Some(wire.occurred_at) => {
            mismatch(header::TIMESTAMP, &wire.occurred_at)
        }
        header::CONTENT_TYPE if !is_json(&header) => mismatch(header::CONTENT_TYPE, &CONTENT_TYPE_JSON),
        _ => Ok(()),
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(CONTENT_TYPE_JSON)
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
    use crate::id::ReservationId;
    use crate::message::{CatalogueFields, fingerprint};
    use crate::price::{AmountMinor, Currency, Price};
    use crate::quantity::{Adjustment, PositiveQuantity, Quantity};
    use crate::reservation::{Line, Lines, Ttl};
    use crate::text::{Name, OrderId, Sku, StoreId};

    fn sku() -> Sku {
        Sku::parse("PROD-001").expect("valid")
    }

    fn item() -> AggregateId {
        AggregateId::Item(ItemId::of(&sku()))
    }

    fn fields() -> CatalogueFields {
        CatalogueFields::named(Name::parse("Cable").expect("valid"))
    }

    fn envelope(of: AggregateId, command: Command) -> RequestEnvelope {
        let fingerprint = fingerprint(Some(&of), &command, None);
        RequestEnvelope::new(of, CommandId::fresh(), command, fingerprint, Timestamp::from_millis(0))
    }

    fn creation() -> RequestEnvelope {
        let command = Command::CreateItem { sku: sku(), fields: fields(), quantity: Quantity::ZERO };
        envelope(item(), command)
    }

    fn decode(message: &serde_json::Value) -> Result<RequestEnvelope, DecodeError> {
        let key = message["aggregateId"].as_str().unwrap_or_default().to_owned();
        let bytes = serde_json::to_vec(message).expect("JSON");
        decode_request(Some(key.as_bytes()), Some(&bytes), std::iter::empty())
    }

    fn as_json(envelope: &RequestEnvelope) -> serde_json::Value {
        serde_json::to_value(envelope).expect("JSON")
    }

    fn stock_commands() -> [Command; 6] {
        let store_id = StoreId::parse("berlin").expect("valid");
        let quantity = PositiveQuantity::parse(2).expect("valid");
        let counted = Quantity::parse(3).expect("valid");
        let adjustment = Adjustment::parse(-2).expect("valid");
        [
            Command::AdjustStock { store_id: store_id.clone(), quantity: adjustment, reason: None, reference: None },
            Command::ReserveStock { store_id: store_id.clone(), quantity },
            Command::ReleaseStock { store_id: store_id.clone(), quantity },
            Command::CountStock {
                store_id: store_id.clone(),
                quantity: counted,
                expected_quantity: Some(counted),
                reason: None,
            },
            Command::ConfigureStock { store_id: store_id.clone(), low_stock_threshold: Some(counted) },
            Command::TransferStock { from_store_id: StoreId::main(), to_store_id: store_id, quantity, reason: None },
        ]
    }

    fn reservation_commands() -> [Command; 4] {
        let line = Line { item_id: ItemId::of(&sku()), quantity: PositiveQuantity::parse(2).expect("valid") };
        let lines = Lines::parse([line]).expect("valid");
        let order_id = OrderId::parse("A-1").ok();
        [
            Command::Reserve {
                store_id: StoreId::main(),
                lines: lines.clone(),
                customer_id: None,
                order_id: order_id.clone(),
                ttl_seconds: Ttl::DEFAULT,
            },
            Command::ConfirmReservation { order_id, lines: Some(lines) },
            Command::ExtendReservation { ttl_seconds: Ttl::DEFAULT },
            Command::ReleaseReservation {},
        ]
    }

    #[test]
    fn every_request_reads_back_as_it_was_written() {
        let priced = CatalogueFields {
            price: Some(Price {
                amount_minor: AmountMinor::parse(1999).expect("valid"),
                currency: Currency::parse("EUR").expect("valid"),
            }),
            ..fields()
        };
        let store_id = StoreId::parse("berlin").expect("valid");
        let store = AggregateId::Store(store_id.clone());
        let fields = StoreFields { name: Name::parse("Berlin").expect("valid"), location: None, active: false };
        let mut requests = vec![creation(), envelope(item(), Command::UpdateItem(priced))];
        requests.push(envelope(item(), Command::DeleteItem {}));
        requests.extend(stock_commands().map(|command| envelope(item(), command)));
        let reservation = AggregateId::Reservation(ReservationId::of(CommandId::fresh()));
        requests.extend(reservation_commands().map(|command| envelope(reservation.clone(), command)));
        requests.push(envelope(store.clone(), Command::CreateStore { store_id, fields: fields.clone() }));
        requests.push(envelope(store, Command::UpdateStore(fields)));
        for (request, event_type) in requests.into_iter().zip(Command::EVENT_TYPES) {
            assert_eq!(request.event_type, event_type);
            assert_eq!(decode(&as_json(&request)), Ok(request));
        }
    }

    #[test]
    fn a_request_has_the_fingerprint_that_it_had_before_there_were_categories() {
        let request = creation();
        assert_eq!(
            serde_json::to_string(&request.data).expect("JSON"),
            r#"{"sku":"PROD-001","name":"Cable","description":null,"quantity":0}"#
        );
        assert_eq!(request.fingerprint, "0b214518afb35d44dd58d75fa0f296a5f60135dd70567514c9a8956aded74a32");
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
        assert_eq!(code(&|m| m["aggregateId"] = "x".into()), "MALFORMED_MESSAGE");
        let same = serde_json::json!({"fromStoreId": "a", "toStoreId": "a", "quantity": 1});
        assert_eq!(
            code(&|m| (m["eventType"], m["data"]) = ("StockTransferRequested".into(), same.clone())),
            "MALFORMED_MESSAGE"
        );
        let closed = serde_json::json!({"name": "x", "active": false});
        assert_eq!(
            code(&|m| {
                (m["eventType"], m["data"]) = ("StoreUpdateRequested".into(), closed.clone());
                m["aggregateId"] = "main".into();
            }),
            "MALFORMED_MESSAGE"
        );
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
