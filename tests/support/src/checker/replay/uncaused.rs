//! What nobody asked for follows from a recorded deadline, or from stock that was reserved before there were
//! reservations.

use super::Replay;
use crate::checker::fact::Change;
use crate::checker::step::{Cause, Fact, Step};
use shared::id::ReservationId;
use shared::message::SYSTEM;
use shared::text::StoreId;

impl Replay<'_> {
    /// Before its lines are released, the reservation must have been due; see [`super::reservations`] for its end.
    pub(super) fn uncaused(&mut self, step: &Step<'_>) {
        let fault = match step.cause {
            Cause::Command(_) => step.has("ReservationExpired").then(|| "somebody asked for an expiry".to_owned()),
            Cause::Expiry(reservation) => self.expired(step, reservation),
            Cause::Opening(reservation) => self.opened(step, reservation),
            Cause::Nothing => Some("nobody asked for it, and it follows from nothing".to_owned()),
        };
        self.report.invented.extend(fault.map(|fault| format!("sequence {}: {fault}", step.sequence())));
    }

    fn expired(&self, step: &Step<'_>, id: ReservationId) -> Option<String> {
        let Some(before) = self.before.reservations.get(&id).and_then(Option::as_ref) else {
            return Some(format!("an expiry of {id}, which is not told to expire"));
        };
        let all = |holds: &dyn Fn(&Fact<'_>) -> bool| step.facts.iter().all(holds);
        let now = step.facts.first().map_or(0, |fact| fact.entry.occurred_at);
        let expiries = step.facts.iter().filter(|fact| matches!(fact.message.change, Change::ReservationExpired(_)));
        if expiries.count() != 1 || self.before.reservations.len() != 1 {
            Some(format!("an expiry of {id} that tells of {} reservations", self.before.reservations.len()))
        } else if before.expires_at.is_none_or(|deadline| now < deadline) {
            Some(format!("{id} expires at {now}, before its deadline {:?}", before.expires_at))
        } else if !all(&|fact| Some(fact.message.causation_id) == before.deadline_by) {
            Some(format!("the expiry of {id} follows from something else than what set its deadline"))
        } else if !all(&|fact| fact.message.actor.as_deref() == Some(SYSTEM)) {
            Some(format!("the expiry of {id} is somebody's act"))
        } else {
            None
        }
    }

    /// A hold of what is reserved of a level; nothing moves.
    fn opened(&self, step: &Step<'_>, id: ReservationId) -> Option<String> {
        let [fact] = step.facts.as_slice() else { return Some(format!("the opening hold {id} is opened again")) };
        let after = fact.message.change.reservation()?;
        let [line] = after.lines.as_slice() else {
            return Some(format!("the opening hold {id} has {} lines", after.lines.len()));
        };
        let level = self.state.levels.get(&(line.item_id, after.store_id.clone()));
        let reserved = level.map_or(0, |level| level.reserved);
        let derived = StoreId::parse(&after.store_id).map(|store| ReservationId::of_opening(line.item_id, &store));
        if line.quantity != reserved || !after.simple {
            Some(format!("the opening hold {id} is of {} units, {reserved} are reserved", line.quantity))
        } else if derived != Ok(id) {
            Some(format!("the opening hold {id} should be {derived:?}"))
        } else if fact.message.actor.as_deref() != Some(SYSTEM) || fact.message.causation_id != fact.message.event_id {
            Some(format!("the opening hold {id} follows from something else than itself"))
        } else {
            None
        }
    }
}
