//! Every command has one outcome and one effect, and somebody asked for it.

use std::collections::{BTreeMap, BTreeSet};

use shared::aggregate::AggregateId;
use shared::id::CommandId;
use shared::outcome::RejectionCode;

use super::database::{Database, Outcome};
use super::fact::Change;
use super::step::{Cause, Fact};
use super::{History, Report, Sent, shapes};

/// What the journal holds of each command, in order.
type ByCommand<'a> = BTreeMap<CommandId, Vec<Fact<'a>>>;

pub(super) fn check(database: &Database, history: &History, report: &mut Report) {
    let mut by_cause: BTreeMap<Cause, Vec<Fact<'_>>> = BTreeMap::new();
    for fact in database.facts() {
        by_cause.entry(Cause::of(fact.entry.command_id, fact.message)).or_default().push(fact);
    }
    let mut by_command = ByCommand::new();
    for (cause, facts) in by_cause {
        let asked = match cause {
            Cause::Command(command) => database.outcomes.get(&command).map(|outcome| outcome.request_type.as_str()),
            Cause::Expiry(_) | Cause::Opening(_) | Cause::Nothing => None,
        };
        let name = named(cause);
        once(&name, &facts, report);
        report.invented.extend(shapes::fault(cause, asked, &facts).map(|fault| format!("{name}: {fault}")));
        if let Cause::Command(command) = cause {
            by_command.insert(command, facts);
        }
    }
    rejections(database, report);
    outcomes(database, &by_command, report);
    one_effect_a_key(database, report);
    asked_for(database, &by_command, history, report);
    count(database, &by_command, history, report);
}

fn named(cause: Cause) -> String {
    match cause {
        Cause::Command(command) => command.to_string(),
        Cause::Expiry(reservation) => format!("the expiry of {reservation}"),
        Cause::Opening(reservation) => format!("the opening hold {reservation}"),
        Cause::Nothing => "nobody".to_owned(),
    }
}

/// Its facts are 0..n of one message, together, and a command was either applied or rejected.
fn once(name: &str, facts: &[Fact<'_>], report: &mut Report) {
    let mut indices = BTreeSet::new();
    for Fact { entry, .. } in facts {
        if !indices.insert(entry.fact_index) {
            report.twice.push(format!("{name}: fact {} again at sequence {}", entry.fact_index, entry.sequence));
        }
    }
    if let Some(missing) = (0..).zip(&indices).find(|(expected, index)| expected != *index) {
        report.lost.push(format!("{name}: fact {} is missing", missing.0));
    }
    let origins: BTreeSet<_> = facts.iter().map(|fact| (fact.entry.log, fact.entry.log_offset)).collect();
    if origins.len() > 1 {
        report.twice.push(format!("{name}: applied at several positions (log, offset): {origins:?}"));
    }
    let rejections = facts.iter().filter(|fact| fact.message.change.rejection().is_some()).count();
    if rejections > 0 && facts.len() > 1 {
        report.twice.push(format!("{name}: a rejection and {} more facts", facts.len() - 1));
    }
    for pair in facts.windows(2) {
        let (before, after) = (pair[0].entry, pair[1].entry);
        if after.sequence != before.sequence + 1 || after.fact_index < before.fact_index {
            let (index, sequence) = (after.fact_index, after.sequence);
            report.order.push(format!("{name}: fact {index} at sequence {sequence} does not follow the one before"));
        }
    }
}

/// A rejection names what was asked of, and a rule that there is.
fn rejections(database: &Database, report: &mut Report) {
    for Fact { entry, message } in database.facts() {
        let Change::CommandRejected { request_type, code, .. } = &message.change else { continue };
        let kind = message.change.about().map(|of| of.kind());
        if kind.is_none() || kind != shapes::kind(request_type) {
            let fault = format!("sequence {}: a {request_type} was rejected of {kind:?}", entry.sequence);
            report.invented.push(fault);
        }
        if RejectionCode::ALL.iter().all(|known| known.as_str() != code) {
            report.invented.push(format!("sequence {}: rejected by {code}, which is no rule", entry.sequence));
        }
    }
}

/// The table of outcomes says what the journal says. Outcomes up to `purged` may be gone.
fn outcomes(database: &Database, by_command: &ByCommand<'_>, report: &mut Report) {
    for (command, facts) in by_command {
        let last = facts.last().map_or(0, |fact| fact.entry.sequence);
        if !database.outcomes.contains_key(command) && last > database.progress.purged {
            report.lost.push(format!("{command}: has facts up to sequence {last} and no outcome"));
        }
    }
    for (command, outcome) in &database.outcomes {
        let facts = by_command.get(command).map_or(&[][..], Vec::as_slice);
        let fault = if outcome.status == "dead_lettered" {
            dead_lettered(database, outcome, facts)
        } else {
            decided(outcome, facts)
        };
        report.invented.extend(fault.map(|fault| format!("{command}: the outcome is {}, but {fault}", outcome.status)));
        if let Some(fault) = version(outcome, facts) {
            report.versions.push(format!("{command}: {fault}"));
        }
    }
}

fn dead_lettered(database: &Database, outcome: &Outcome, facts: &[Fact<'_>]) -> Option<String> {
    let letter = database.dead_letters.iter().find(|letter| Some(letter.id) == outcome.dead_letter_id);
    match letter {
        None => Some("there is no such dead letter".to_owned()),
        Some(_) if !facts.is_empty() => Some("the journal holds facts of it".to_owned()),
        Some(letter) if letter.sequence != outcome.sequence => Some("its sequence is not the dead letter's".to_owned()),
        Some(_) => None,
    }
}

fn decided(outcome: &Outcome, facts: &[Fact<'_>]) -> Option<String> {
    let Some(Fact { entry, message }) = facts.last() else {
        return Some("the journal holds nothing of it".to_owned());
    };
    let rejection = message.change.rejection();
    let decided = if rejection.is_some() { "rejected" } else { "applied" };
    let (of, about) = (outcome.of.as_ref(), about(outcome, facts));
    if decided != outcome.status {
        Some(format!("the journal says {decided}"))
    } else if rejection != outcome.code.as_deref() {
        Some(format!("its code is {:?}, in the journal {rejection:?}", outcome.code))
    } else if entry.sequence != outcome.sequence {
        Some(format!("its sequence is {}, in the journal {}", outcome.sequence, entry.sequence))
    } else if of.is_none() || !about.iter().eq(of) {
        Some(format!("it is of {of:?}, in the journal of {about:?}"))
    } else if let Change::CommandRejected { request_type, .. } = &message.change
        && *request_type != outcome.request_type
    {
        Some(format!("it is of a {}, in the journal of a {request_type}", outcome.request_type))
    } else {
        None
    }
}

/// What its facts are about, of the kind that such a request is asked of.
fn about(outcome: &Outcome, facts: &[Fact<'_>]) -> BTreeSet<AggregateId> {
    let about = facts.iter().filter_map(|fact| fact.entry.of.clone());
    about.filter(|of| Some(of.kind()) == shapes::kind(&outcome.request_type)).collect()
}

/// An applied outcome's version is that of the aggregate that the command named.
fn version(outcome: &Outcome, facts: &[Fact<'_>]) -> Option<String> {
    let is_applied = outcome.status == "applied";
    let expected = if is_applied { shapes::version(&outcome.request_type, facts) } else { None };
    (outcome.version != expected).then(|| format!("the outcome's version is {:?}, not {expected:?}", outcome.version))
}

/// Of the commands under one idempotency key, all but one were rejected for that. A dead letter claims no key.
fn one_effect_a_key(database: &Database, report: &mut Report) {
    let mut holders = BTreeMap::new();
    for (command, outcome) in &database.outcomes {
        let reused = outcome.code.as_deref() == Some("IDEMPOTENCY_KEY_REUSED");
        let claims = !reused && outcome.status != "dead_lettered";
        if let Some(key) = outcome.idempotency_id.filter(|_| claims)
            && let Some(other) = holders.insert(key, command)
        {
            report.twice.push(format!("{command} and {other} both stand for the idempotency id {key}"));
        }
    }
}

/// What was accepted is there, what was refused is not, and what is there was asked for.
fn asked_for(database: &Database, by_command: &ByCommand<'_>, history: &History, report: &mut Report) {
    let mut sent: BTreeMap<CommandId, Vec<&Sent>> = BTreeMap::new();
    let mut nameless: BTreeMap<(&AggregateId, &str), usize> = BTreeMap::new();
    for one in &history.commands {
        match one.command_id {
            Some(command) => sent.entry(command).or_default().push(one),
            None if one.accepted => report.lost.push(format!("a 202 without a command id: {one:?}")),
            None if one.unknown => *nameless.entry((&one.of, &one.expected_type)).or_default() += 1,
            None => {}
        }
    }
    for (&command, sent) in &sent {
        let found = database.outcomes.contains_key(&command) || by_command.contains_key(&command);
        if sent.iter().any(|one| one.accepted) && !found {
            report.lost.push(format!("{command}: was accepted and has no outcome"));
        }
        if found && !sent.iter().any(|one| one.accepted || one.unknown) {
            report.invented.push(format!("{command}: was refused, and yet has an outcome"));
        }
        if let Some(outcome) = database.outcomes.get(&command)
            && sent
                .iter()
                .any(|one| (Some(&one.of), &one.expected_type) != (outcome.of.as_ref(), &outcome.request_type))
        {
            report.invented.push(format!("{command}: the outcome is of {} {:?}", outcome.request_type, outcome.of));
        }
    }
    if history.complete {
        for command in by_command.keys().filter(|command| !sent.contains_key(command)) {
            unasked(*command, database.outcomes.get(command), &mut nameless, report);
        }
    }
}

/// A command that nobody knows by its id is one of those whose fate their senders never learnt, or invented.
fn unasked(
    command: CommandId,
    outcome: Option<&Outcome>,
    nameless: &mut BTreeMap<(&AggregateId, &str), usize>,
    report: &mut Report,
) {
    let key = outcome.and_then(|outcome| Some((outcome.of.as_ref()?, outcome.request_type.as_str())));
    let open = nameless.iter_mut().find(|(candidate, left)| Some(**candidate) == key && **left > 0);
    match open {
        Some((_, left)) => *left -= 1,
        None => report.invented.push(format!("{command}: nobody sent it")),
    }
}

fn count(database: &Database, by_command: &ByCommand<'_>, history: &History, report: &mut Report) {
    let rejection = |facts: &&Vec<Fact<'_>>| facts.iter().any(|fact| fact.message.change.rejection().is_some());
    let of_type =
        |event_type: &str| database.facts().filter(|fact| fact.message.change.event_type() == event_type).count();
    let counts = &mut report.counts;
    counts.sent = history.commands.len();
    counts.accepted = history.commands.iter().filter(|one| one.accepted).count();
    counts.unknown = history.commands.iter().filter(|one| one.unknown).count();
    counts.journal = database.journal.len();
    counts.rejected = by_command.values().filter(rejection).count();
    counts.applied = by_command.len() - counts.rejected;
    counts.dead_letters = database.dead_letters.len();
    counts.reservations = of_type("ReservationCreated");
    counts.expiries = of_type("ReservationExpired");
}
