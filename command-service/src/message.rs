//! The one message that a write becomes, and the ids that it is known by from then on.
//!
//! With an idempotency key the command id follows from caller, method, path, key and what is asked, so that a service
//! without memory gives a retry the same id. Without a key nobody can repeat the command, and its id is fresh.

use kafka::{Header, Outgoing};
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, IdempotencyId, ReservationId};
use shared::message::{CONTENT_TYPE_JSON, Command, RequestEnvelope, fingerprint, header};

use crate::intake::Intake;

/// Until callers can say who they are.
const CALLER: &str = "anonymous";

/// What a request asks.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Of what; none of a reservation whose id follows from the command's.
    pub of: Option<AggregateId>,
    /// What.
    pub command: Command,
}

impl Asked {
    /// Of something that has an id already, or one of its own.
    pub(crate) fn of(of: AggregateId, command: Command) -> Self {
        Self { of: Some(of), command }
    }
}

/// A request as it goes on the log.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its parts.
    pub envelope: RequestEnvelope,
    key: String,
    value: Vec<u8>,
    headers: [Header; 5],
}

impl Message {
    /// The message for what is asked with `intake`, under an idempotency key if there is one.
    pub(crate) fn new(intake: &Intake, key: Option<&str>, Asked { of, command }: Asked) -> Self {
        let expected_version = intake.headers.expected_version;
        let fingerprint = fingerprint(of.as_ref(), &command, expected_version);
        let idempotency_id = key.map(|key| IdempotencyId::of(CALLER, intake.method.as_str(), intake.uri.path(), key));
        let command_id = idempotency_id.map_or_else(CommandId::fresh, |id| CommandId::of(id, &fingerprint));
        let of = of.unwrap_or_else(|| AggregateId::Reservation(ReservationId::of(command_id)));
        let envelope = RequestEnvelope {
            correlation_id: intake.context.correlation_id().to_owned(),
            idempotency_id,
            expected_version,
            actor: CALLER.to_owned(),
            ..RequestEnvelope::new(of, command_id, command, fingerprint, Timestamp::wall_clock())
        };
        Self {
            key: envelope.aggregate_id.to_string(),
            value: serde_json::to_vec(&envelope).expect("ids, numbers and text always serialise"),
            headers: headers(&envelope, &intake.context.traceparent),
            envelope,
        }
    }

    /// For `topic`.
    pub(crate) fn outgoing<'a>(&'a self, topic: &'a str) -> Outgoing<'a> {
        Outgoing { topic, key: Some(self.key.as_bytes()), value: Some(&self.value), headers: &self.headers }
    }

    /// The bytes of key, value and headers.
    pub(crate) fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.as_deref().map_or(0, <[u8]>::len));
        self.key.len() + self.value.len() + headers.sum::<usize>()
    }
}

fn headers(envelope: &RequestEnvelope, traceparent: &str) -> [Header; 5] {
    let with = |name: &str, value: String| (name.to_owned(), Some(value.into()));
    [
        with(header::EVENT_TYPE, envelope.event_type.to_owned()),
        with(header::EVENT_ID, envelope.event_id.to_string()),
        with(header::TIMESTAMP, envelope.occurred_at.to_string()),
        with(header::TRACEPARENT, traceparent.to_owned()),
        with(header::CONTENT_TYPE, CONTENT_TYPE_JSON.to_owned()),
    ]
}
