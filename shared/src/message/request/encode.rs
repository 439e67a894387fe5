//! Requests written: what a fingerprint is of, and the message itself.

use std::ops::Range;

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Command;
use crate::aggregate::AggregateId;
use crate::clock::Timestamp;
use crate::id::{CommandId, EventId, IdempotencyId};
use crate::json::{ObjectWriter, name};
use crate::message::SCHEMA_VERSION;

/// Room for nearly every message, so that it need not grow while it is written.
const USUAL_MESSAGE: usize = 1024;
const USUAL_CANONICAL: usize = 256;

/// What was asked (parsed, trimmed, defaults filled in) and `If-Match`, as one JSON array: the same for each sending of the
/// same request. Its SHA-256, in hex, is the fingerprint.
#[derive(Debug)]
pub struct Canonical {
    json: Vec<u8>,
    command: Range<usize>,
    event_type: &'static str,
    expected_version: Option<u64>,
    fingerprint: String,
}

/// A request that goes on the log: the same as a [`RequestEnvelope`](super::RequestEnvelope), before it is written.
#[derive(Debug)]
pub struct NewRequest<'a> {
    /// What is asked of; also the Kafka key.
    pub aggregate_id: &'a AggregateId,
    /// What is asked.
    pub canonical: &'a Canonical,
    /// What the 202 told the client.
    pub command_id: CommandId,
    /// Follows the work across services.
    pub correlation_id: &'a str,
    /// If the client sent an idempotency key.
    pub idempotency_id: Option<IdempotencyId>,
    /// Who asked.
    pub actor: &'a str,
    /// When it was accepted.
    pub occurred_at: Timestamp,
}

/// The message, and where in it are the parts that its key and headers repeat.
#[derive(Debug)]
pub struct EncodedRequest {
    /// The value of the message.
    pub json: Vec<u8>,
    aggregate_id: Range<usize>,
    event_id: Range<usize>,
    occurred_at: Range<usize>,
}

impl Canonical {
    /// Of `None` for an aggregate whose id follows from the command's.
    pub fn of(of: Option<&AggregateId>, command: &Command, expected_version: Option<u64>) -> Self {
        let mut json = Vec::with_capacity(USUAL_CANONICAL);
        match of {
            Some(of) => {
                json.extend_from_slice(b"[\"");
                of.write_to(&mut json);
                json.extend_from_slice(b"\",\"");
            }
            None => json.extend_from_slice(b"[null,\""),
        }
        let event_type = command.event_type();
        json.extend_from_slice(event_type.as_bytes());
        json.extend_from_slice(b"\",");
        let start = json.len();
        write(&mut json, command);
        let command = start..json.len();
        json.push(b',');
        write(&mut json, &expected_version);
        json.push(b']');
        let fingerprint = hex(Sha256::digest(&json).into());
        Self { json, command, event_type, expected_version, fingerprint }
    }

    /// The same for each sending of the same request, and for no other.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl NewRequest<'_> {
    /// Writes the message.
    pub fn encode(&self) -> EncodedRequest {
        let mut object = ObjectWriter::with_capacity(USUAL_MESSAGE);
        let Canonical { json, command, event_type, expected_version, fingerprint } = self.canonical;
        object.plain(name!("eventType"), event_type);
        let event_id = object.plain_by(name!("eventId"), |text| EventId::of_request(self.command_id).write_to(text));
        let aggregate_id = object.plain_by(name!("aggregateId"), |text| self.aggregate_id.write_to(text));
        let occurred_at = object.plain_by(name!("occurredAt"), |text| self.occurred_at.write_to(text));
        object.value(name!("version"), &SCHEMA_VERSION);
        object.plain_by(name!("commandId"), |text| self.command_id.write_to(text));
        object.value(name!("correlationId"), &self.correlation_id);
        object.value(name!("idempotencyId"), &self.idempotency_id);
        object.plain(name!("fingerprint"), fingerprint);
        object.value(name!("expectedVersion"), expected_version);
        object.value(name!("actor"), &self.actor);
        object.json(name!("data"), &json[command.clone()]);
        EncodedRequest { json: object.end(), aggregate_id, event_id, occurred_at }
    }
}

impl EncodedRequest {
    /// The Kafka key.
    pub fn key(&self) -> &[u8] {
        &self.json[self.aggregate_id.clone()]
    }

    /// The header `event-id`.
    pub fn event_id(&self) -> &[u8] {
        &self.json[self.event_id.clone()]
    }

    /// The header `timestamp`.
    pub fn timestamp(&self) -> &[u8] {
        &self.json[self.occurred_at.clone()]
    }
}

fn hex(hash: [u8; 32]) -> String {
    let mut hex = String::with_capacity(2 * hash.len());
    // 16 bytes in hex are a UUID without hyphens.
    for half in hash.as_chunks().0 {
        hex.push_str(Uuid::from_bytes(*half).simple().encode_lower(&mut Uuid::encode_buffer()));
    }
    hex
}

fn write(json: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(json, value).expect("ids, numbers and text always serialise");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ItemId, ReservationId};
    use crate::message::{CatalogueFields, RequestEnvelope, StoreFields};
    use crate::quantity::{PositiveQuantity, Quantity};
    use crate::reservation::Ttl;
    use crate::text::{Name, Sku, StoreId};

    fn asked() -> Vec<(AggregateId, Command)> {
        let sku = Sku::parse("PROD-001").unwrap();
        let name = Name::parse("A \"cable\" of 2 m \\ Kabel ä").unwrap();
        let item = AggregateId::Item(ItemId::of(&sku));
        let (store_id, quantity) = (StoreId::main(), PositiveQuantity::parse(2).unwrap());
        let fields =
            CatalogueFields { low_stock_threshold: Some(Quantity::ZERO), ..CatalogueFields::named(name.clone()) };
        let reservation = AggregateId::Reservation(ReservationId::of(CommandId::fresh()));
        vec![
            (item.clone(), Command::CreateItem { sku, fields, quantity: Quantity::ZERO }),
            (item.clone(), Command::ReserveStock { store_id: store_id.clone(), quantity }),
            (item, Command::DeleteItem {}),
            (reservation, Command::ExtendReservation { ttl_seconds: Ttl::parse(60).unwrap() }),
            (AggregateId::Store(store_id), Command::UpdateStore(StoreFields { name, location: None, active: true })),
        ]
    }

    #[test]
    fn a_request_is_written_as_its_envelope_says_it_byte_by_byte() {
        let key = Some(IdempotencyId::of("anonymous", "POST", "/", "a key"));
        for ((of, command), (expected_version, idempotency_id)) in
            asked().into_iter().zip([(None, None), (Some(7), None), (None, key)].into_iter().cycle())
        {
            let canonical = Canonical::of(Some(&of), &command, expected_version);
            let fingerprint = canonical.fingerprint().to_owned();
            let mut envelope =
                RequestEnvelope::new(of, CommandId::fresh(), command, fingerprint, Timestamp::from_millis(1));
            (envelope.expected_version, envelope.idempotency_id) = (expected_version, idempotency_id);
            envelope.correlation_id = "\"visible\\characters\"".to_owned();
            let request = NewRequest {
                aggregate_id: &envelope.aggregate_id,
                canonical: &canonical,
                command_id: envelope.command_id,
                correlation_id: &envelope.correlation_id,
                idempotency_id,
                actor: &envelope.actor,
                occurred_at: envelope.occurred_at,
            };
            let encoded = request.encode();
            let written = |text: String| text.into_bytes();
            assert_eq!(encoded.json, serde_json::to_vec(&envelope).unwrap());
            assert_eq!(encoded.key(), written(envelope.aggregate_id.to_string()));
            assert_eq!(encoded.event_id(), written(envelope.event_id.to_string()));
            assert_eq!(encoded.timestamp(), written(envelope.occurred_at.to_string()));
        }
    }

    #[test]
    fn what_a_fingerprint_is_of_is_one_array() {
        for (of, command) in asked() {
            for (of, version) in [(Some(&of), None), (None, Some(u64::MAX))] {
                let canonical = Canonical::of(of, &command, version);
                let of = of.map(AggregateId::to_string);
                let array = serde_json::to_vec(&(of, command.event_type(), &command, version)).unwrap();
                assert_eq!(canonical.json, array);
                let hash = Sha256::digest(array);
                assert_eq!(
                    canonical.fingerprint(),
                    hash.iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"))
                );
            }
        }
    }
}
