//! What happened at once: the entries of one command, of one expiry, or of one hold that a migration opened.

use shared::id::{CommandId, ReservationId};

use super::database::{Database, Entry};
use super::fact::{Change, Message};

/// An entry that carries a fact.
#[derive(Clone, Copy)]
pub(super) struct Fact<'a> {
    pub entry: &'a Entry,
    pub message: &'a Message,
}

/// Why entries are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// Somebody asked for it.
    Command(CommandId),
    /// A deadline passed.
    Expiry(ReservationId),
    /// Stock was reserved before there were reservations.
    Opening(ReservationId),
    /// Nothing that is known.
    Nothing,
}

/// Consecutive facts with one cause.
pub(super) struct Step<'a> {
    pub cause: Cause,
    /// At least one.
    pub facts: Vec<Fact<'a>>,
}

impl Cause {
    /// As the column and the message say. The facts of an expiry share the reservation's id as their correlation id.
    pub(super) fn of(command: Option<CommandId>, message: &Message) -> Self {
        if let Some(command) = command {
            return Self::Command(command);
        }
        if let Change::ReservationCreated(after) = &message.change {
            return Self::Opening(after.reservation_id);
        }
        ReservationId::parse(&message.correlation_id).map_or(Self::Nothing, Self::Expiry)
    }
}

impl Step<'_> {
    /// The sequence of its first entry.
    pub(super) fn sequence(&self) -> i64 {
        self.facts.first().map_or(0, |fact| fact.entry.sequence)
    }

    /// Whether it was written before there were reservations: such messages name no actor.
    pub(super) fn is_old(&self) -> bool {
        self.facts.iter().any(|fact| fact.message.actor.is_none())
    }

    /// Whether any fact is of this type.
    pub(super) fn has(&self, event_type: &str) -> bool {
        self.facts.iter().any(|fact| fact.message.change.event_type() == event_type)
    }
}

/// All steps, in the order of the journal.
pub(super) fn steps(database: &Database) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for fact in database.facts() {
        let cause = Cause::of(fact.entry.command_id, fact.message);
        match steps.last_mut().filter(|step| step.cause == cause) {
            Some(step) => step.facts.push(fact),
            None => steps.push(Step { cause, facts: vec![fact] }),
        }
    }
    steps
}
