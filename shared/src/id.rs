//! Identities, and how each is derived.
//!
//! Everything that a retry, a replay or a second publishing could name again is derived from what it belongs to, nearly
//! always as its UUIDv5, so that it gets the same name each time. Only a command without an idempotency key gets a fresh id.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use crate::clock::Timestamp;
use crate::text::{Sku, StoreId};

/// The project's namespace: an item's id is the UUIDv5 of its SKU in it (docs/adr/0002).
pub const NAMESPACE: Uuid = Uuid::from_u128(0x7b0f_9a52_6c1d_4e83_9a35_1f2d_8c4b_e671);

/// The time with which a UUIDv7 begins.
const UNIX_MS_BYTES: usize = 6;

/// What an [`Id`] can be the id of.
pub mod kind {
    /// A catalogue item.
    #[derive(Debug)]
    pub enum Item {}
    /// One command, as accepted.
    #[derive(Debug)]
    pub enum Command {}
    /// What a caller named by an idempotency key.
    #[derive(Debug)]
    pub enum Idempotency {}
    /// One message: a request or a fact.
    #[derive(Debug)]
    pub enum Event {}
    /// A reservation.
    #[derive(Debug)]
    pub enum Reservation {}
    /// A message that could not be processed.
    #[derive(Debug)]
    pub enum DeadLetter {}
}

/// A UUID that knows what it identifies; its text form is the hyphenated one of RFC 9562.
pub struct Id<Kind>(Uuid, PhantomData<fn() -> Kind>);

/// UUIDv5 of the SKU in [`NAMESPACE`].
pub type ItemId = Id<kind::Item>;
/// UUIDv5(idempotency id, fingerprint); without a key a fresh UUIDv7.
pub type CommandId = Id<kind::Command>;
/// UUIDv5 of caller, method, path and idempotency key.
pub type IdempotencyId = Id<kind::Idempotency>;
/// UUIDv5(command id, index) for a fact, UUIDv5(command id, "request") for a request, UUIDv5(reservation id, "expired")
/// for an expiry.
pub type EventId = Id<kind::Event>;
/// UUIDv5(command id, "reservation"), with the time of the command if its id tells that; unless the client chose one.
pub type ReservationId = Id<kind::Reservation>;
/// UUIDv5 of the origin: log, topic, partition, offset.
pub type DeadLetterId = Id<kind::DeadLetter>;

/// The text is no hyphenated UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of the form 123e4567-e89b-12d3-a456-426614174000")]
pub struct InvalidId;

impl<Kind> Id<Kind> {
    /// Any UUID is a valid id.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The UUID itself.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Its text form, written into a [`Uuid::encode_buffer`].
    pub fn encode(self, buffer: &mut [u8]) -> &str {
        self.0.hyphenated().encode_lower(buffer)
    }

    /// Appends its text form.
    pub fn write_to(self, text: &mut Vec<u8>) {
        text.extend_from_slice(self.encode(&mut Uuid::encode_buffer()).as_bytes());
    }

    /// Accepts the hyphenated form only, in either case.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(InvalidId);
        }
        Uuid::try_parse(text).map(Self::from_uuid).map_err(|_| InvalidId)
    }

    /// A UUIDv5. Not by `Uuid::new_v5`, whose SHA-1 does without the processor's instructions for it.
    fn derived(namespace: Uuid, parts: &[&[u8]]) -> Self {
        let mut name = Sha1::new_with_prefix(namespace);
        if let [only] = parts {
            name.update(only);
        } else {
            // A length before each part: ("ab", "c") and ("a", "bc") are different names.
            for part in parts {
                name.update((part.len() as u64).to_be_bytes());
                name.update(part);
            }
        }
        let hash: [u8; 20] = name.finalize().into();
        let (first, _) = hash.split_first_chunk().expect("16 of 20");
        Self::from_uuid(Builder::from_sha1_bytes(*first).into_uuid())
    }
}

impl ItemId {
    /// The one id that this SKU can have.
    pub fn of(sku: &Sku) -> Self {
        Self::derived(NAMESPACE, &[sku.as_str().as_bytes()])
    }
}

impl IdempotencyId {
    /// What this caller means by this key on this route.
    pub fn of(caller: &str, method: &str, path: &str, key: &str) -> Self {
        Self::derived(NAMESPACE, &[caller.as_bytes(), method.as_bytes(), path.as_bytes(), key.as_bytes()])
    }
}

impl CommandId {
    /// The same key with the same body is the same command, however often it is sent.
    pub fn of(idempotency_id: IdempotencyId, fingerprint: &str) -> Self {
        Self::derived(idempotency_id.0, &[fingerprint.as_bytes()])
    }

    /// A command that nobody can repeat: its sender gave no key. Time-ordered (UUIDv7).
    #[expect(clippy::disallowed_methods, reason = "the one place that makes command ids")]
    pub fn fresh() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// When it was made, by the clock of who made it; an id that came from an idempotency key does not tell.
    pub fn made_at(self) -> Option<Timestamp> {
        let made = self.0.get_timestamp().filter(|_| self.0.get_version_num() == 7)?;
        let (seconds, nanos) = made.to_unix();
        let millis = i64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))?;
        Some(Timestamp::from_millis(millis))
    }
}

impl EventId {
    /// The message that asks for the command.
    pub fn of_request(command: CommandId) -> Self {
        Self::derived(command.0, &[b"request"])
    }

    /// The `index`th fact that the command caused.
    pub fn of_fact(command: CommandId, index: u32) -> Self {
        Self::derived(command.0, &[index.to_string().as_bytes()])
    }

    /// The `index`th fact of a reservation's expiry, of which 0 is the expiry itself.
    pub fn of_expiry(reservation: ReservationId, index: u32) -> Self {
        if index == 0 {
            return Self::derived(reservation.0, &[b"expired"]);
        }
        Self::derived(reservation.0, &[b"expired", index.to_string().as_bytes()])
    }

    /// The fact that there is a reservation for what was reserved before reservations existed. A database that went down
    /// and up again tells it once more, at another sequence.
    pub fn of_opening(reservation: ReservationId, sequence: u64) -> Self {
        Self::derived(reservation.0, &[b"opening", sequence.to_string().as_bytes()])
    }
}

impl ReservationId {
    /// The reservation that the command makes. Where the command's id begins with the time at which it was made, so does this
    /// one: a UUIDv8 (RFC 9562, 5.8) of that time, and then of the UUIDv5. An index of ids without order is written all over;
    /// of these, at its end (docs/adr/0025).
    pub fn of(command: CommandId) -> Self {
        let id: Self = Self::derived(command.0, &[b"reservation"]);
        if command.made_at().is_none() {
            return id;
        }
        let mut bytes = *id.as_bytes();
        bytes[..UNIX_MS_BYTES].copy_from_slice(&command.as_bytes()[..UNIX_MS_BYTES]);
        Self::from_uuid(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The reservation that stands for what was reserved at a level before reservations existed.
    pub fn of_opening(item: ItemId, store: &StoreId) -> Self {
        Self::derived(item.0, &[b"opening", store.as_str().as_bytes()])
    }
}

impl DeadLetterId {
    /// Named by where the message stood, so that a replay names it again.
    pub fn of(log: &str, topic: &str, partition: i32, offset: i64) -> Self {
        Self::derived(
            NAMESPACE,
            &[
                b"dead-letter",
                log.as_bytes(),
                topic.as_bytes(),
                partition.to_string().as_bytes(),
                offset.to_string().as_bytes(),
            ],
        )
    }
}

impl DeadLetterId {
    /// Of another message that stands where the one with this id stood: in a log that was made anew.
    #[must_use]
    pub fn again(self, sequence: u64) -> Self {
        Self::derived(self.0, &[sequence.to_string().as_bytes()])
    }
}

/// A fresh random UUID: for request ids, trace ids and the identity of an embedded log.
#[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
pub fn random() -> Uuid {
    Uuid::new_v4()
}

impl<Kind> fmt::Display for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<Kind> fmt::Debug for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<Kind> Clone for Id<Kind> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Kind> Copy for Id<Kind> {}

impl<Kind> PartialEq for Id<Kind> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<Kind> Eq for Id<Kind> {}

impl<Kind> PartialOrd for Id<Kind> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<Kind> Ord for Id<Kind> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<Kind> Hash for Id<Kind> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<Kind> FromStr for Id<Kind> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl<Kind> Serialize for Id<Kind> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, Kind> Deserialize<'de> for Id<Kind> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_the_example_sku_is_the_one_in_the_contract() {
        let sku = Sku::parse("PROD-001").expect("valid");
        assert_eq!(ItemId::of(&sku).to_string(), "5ba52b28-0660-54e0-a935-615efcb68195");
    }

    #[test]
    fn parts_of_a_name_do_not_run_into_each_other() {
        assert_ne!(IdempotencyId::of("ab", "c", "/", "k"), IdempotencyId::of("a", "bc", "/", "k"));
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        assert!(ItemId::parse("5BA52B28-0660-54e0-a935-615efcb68195").is_ok());
        for wrong in ["", "5ba52b28066054e0a935615efcb68195", "{5ba52b28-0660-54e0-a935-615efcb681}"] {
            assert_eq!(ItemId::parse(wrong), Err(InvalidId), "{wrong}");
        }
    }

    #[test]
    fn a_reservation_has_the_time_of_its_command_where_that_has_one_and_is_its_own_all_the_same() {
        let uuid = |text: &str| CommandId::parse(text).expect("a UUID");
        let made = uuid("01932c07-a9b2-7abc-8def-0123456789ab");
        assert_eq!(ReservationId::of(made).to_string(), "01932c07-a9b2-853a-b239-c38c840676e9");
        assert_ne!(ReservationId::of(made), ReservationId::of(uuid("01932c07-a9b2-7abc-8def-0123456789ac")));
        let keyed = CommandId::of(IdempotencyId::of("anonymous", "POST", "/x", "k1"), "f");
        assert_eq!(ReservationId::of(keyed).uuid().get_version_num(), 5);
    }

    #[test]
    fn a_key_and_a_body_give_the_same_command_each_time() {
        let key = IdempotencyId::of("anonymous", "POST", "/x", "k1");
        assert_eq!(CommandId::of(key, "f"), CommandId::of(key, "f"));
        assert_ne!(CommandId::of(key, "f"), CommandId::of(key, "g"));
    }
}
