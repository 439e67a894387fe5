//! The one message that a write becomes, and the ids that it is known by from then on.
//!
//! With an idempotency key the command id follows from caller, method, path, key and what is asked, so that a service
//! without memory gives a retry the same id. Without a key nobody can repeat the command, and its id is fresh.

use kafka::Prepared;
use shared::aggregate::AggregateId;
use shared::clock::Timestamp;
use shared::id::{CommandId, EventId, IdempotencyId, ReservationId};
use shared::message::{CONTENT_TYPE_JSON, Command, RequestEnvelope, SCHEMA_VERSION, fingerprint, header};

use crate::intake::Intake;

/// Until callers can say who they are.
const CALLER: &str = "anonymous";

/// Room for nearly every message, so that it need not grow while it is written.
const USUAL_BYTES: usize = 1024;

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
    /// The same as the log has it.
    pub entry: Box<Prepared>,
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
            event_type: command.event_type(),
            event_id: EventId::of_request(command_id),
            aggregate_id: of,
            occurred_at: Timestamp::wall_clock(),
            version: SCHEMA_VERSION,
            command_id,
            correlation_id: intake.context.correlation_id().to_owned(),
            idempotency_id,
            fingerprint,
            expected_version,
            actor: CALLER.to_owned(),
            data: command,
        };
        let mut value = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut value, &envelope).expect("ids, numbers and text always serialise");
        let key = envelope.aggregate_id.to_string().into_bytes();
        let (event_id, timestamp) = (envelope.event_id.to_string(), envelope.occurred_at.to_string());
        let headers = [
            (header::EVENT_TYPE, envelope.event_type),
            (header::EVENT_ID, &event_id),
            (header::TIMESTAMP, &timestamp),
            (header::TRACEPARENT, &intake.traceparent),
            (header::CONTENT_TYPE, CONTENT_TYPE_JSON),
        ];
        let headers = headers.map(|(name, text)| (name, Some(text.as_bytes())));
        let entry = Box::new(Prepared::new(Some(key), Some(value), headers));
        Self { envelope, entry }
    }
}
