//! Every command has one outcome and one effect, and somebody asked for it.

use std::collections::{BTreeMap, BTreeSet};

use shared::id::{CommandId, ItemId};

use super::database::{Database, Entry, Outcome};
use super::fact::{Change, Message, is_catalogue};
use super::{History, Report, Sent};

/// What the journal holds of one command, in order.
type Facts<'a> = Vec<(&'a Entry, &'a Message)>;

pub(super) fn check(database: &Database, history: &History, report: &mut Report) {
    let mut by_command: BTreeMap<CommandId, Facts<'_>> = BTreeMap::new();
    for entry in &database.journal {
        if let Some(message) = &entry.message {
            by_command.entry(message.command_id).or_default().push((entry, message));
        }
    }
    for (&command, facts) in &by_command {
        once(command, facts, report);
    }
    outcomes(database, &by_command, report);
    one_effect_a_key(database, report);
    asked_for(database, &by_command, history, report);
    count(database, &by_command, history, report);
}

/// Its facts are 0..n of one message, and it was either applied or rejected.
fn once(command: CommandId, facts: &Facts<'_>, report: &mut Report) {
    let mut indices = BTreeSet::new();
    for (entry, _) in facts {
        if !indices.insert(entry.fact_index) {
            report.twice.push(format!("{command}: fact {} again at sequence {}", entry.fact_index, entry.sequence));
        }
    }
    if let Some(missing) = (0..).zip(&indices).find(|(expected, index)| expected != *index) {
        report.lost.push(format!("{command}: fact {} is missing", missing.0));
    }
    let origins: BTreeSet<_> = facts.iter().map(|(entry, _)| (entry.log, entry.log_offset)).collect();
    if origins.len() > 1 {
        report.twice.push(format!("{command}: applied at several positions (log, offset): {origins:?}"));
    }
    let rejections = facts.iter().filter(|(_, message)| message.change.rejection().is_some()).count();
    if rejections > 0 && facts.len() > 1 {
        report.twice.push(format!("{command}: a rejection and {} more facts", facts.len() - 1));
    }
}

/// The table of outcomes says what the journal says. Outcomes up to `purged` may be gone.
fn outcomes(database: &Database, by_command: &BTreeMap<CommandId, Facts<'_>>, report: &mut Report) {
    for (command, facts) in by_command {
        let last = facts.last().map_or(0, |(entry, _)| entry.sequence);
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

fn dead_lettered(database: &Database, outcome: &Outcome, facts: &[(&Entry, &Message)]) -> Option<String> {
    let letter = database.dead_letters.iter().find(|letter| Some(letter.id) == outcome.dead_letter_id);
    match letter {
        None => Some("there is no such dead letter".to_owned()),
        Some(_) if !facts.is_empty() => Some("the journal holds facts of it".to_owned()),
        Some(letter) if letter.sequence != outcome.sequence => Some("its sequence is not the dead letter's".to_owned()),
        Some(_) => None,
    }
}

fn decided(outcome: &Outcome, facts: &[(&Entry, &Message)]) -> Option<String> {
    let Some((entry, message)) = facts.last() else { return Some("the journal holds nothing of it".to_owned()) };
    let rejection = message.change.rejection();
    let decided = if rejection.is_some() { "rejected" } else { "applied" };
    if decided != outcome.status {
        Some(format!("the journal says {decided}"))
    } else if rejection != outcome.code.as_deref() {
        Some(format!("its code is {:?}, in the journal {rejection:?}", outcome.code))
    } else if entry.sequence != outcome.sequence {
        Some(format!("its sequence is {}, in the journal {}", outcome.sequence, entry.sequence))
    } else if message.aggregate_id != outcome.item_id {
        Some(format!("its item is {}, in the journal {}", outcome.item_id, message.aggregate_id))
    } else {
        None
    }
}

/// An applied outcome's version is that of the aggregate that the command named: the item or the level.
fn version(outcome: &Outcome, facts: &[(&Entry, &Message)]) -> Option<String> {
    let stream = i64::from(!is_catalogue(&outcome.request_type));
    let own = facts.iter().filter(|(_, message)| message.change.stream() == stream);
    let in_journal = own.map(|(_, message)| message.aggregate_version).next_back();
    let expected = if outcome.status == "applied" { in_journal } else { None };
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
fn asked_for(database: &Database, by_command: &BTreeMap<CommandId, Facts<'_>>, history: &History, report: &mut Report) {
    let mut sent: BTreeMap<CommandId, Vec<&Sent>> = BTreeMap::new();
    let mut nameless: BTreeMap<(ItemId, &str), usize> = BTreeMap::new();
    for one in &history.commands {
        match one.command_id {
            Some(command) => sent.entry(command).or_default().push(one),
            None if one.accepted => report.lost.push(format!("a 202 without a command id: {one:?}")),
            None if one.unknown => *nameless.entry((one.item_id, &one.expected_type)).or_default() += 1,
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
            && sent.iter().any(|one| (one.item_id, &one.expected_type) != (outcome.item_id, &outcome.request_type))
        {
            report.invented.push(format!("{command}: the outcome is of {} {}", outcome.request_type, outcome.item_id));
        }
    }
    if history.complete {
        for (command, facts) in by_command.iter().filter(|(command, _)| !sent.contains_key(command)) {
            unasked(*command, database.outcomes.get(command), facts, &mut nameless, report);
        }
    }
}

/// A command that nobody knows by its id is one of those whose fate their senders never learnt, or invented.
fn unasked(
    command: CommandId,
    outcome: Option<&Outcome>,
    facts: &Facts<'_>,
    nameless: &mut BTreeMap<(ItemId, &str), usize>,
    report: &mut Report,
) {
    let item = facts.first().map(|(_, message)| message.aggregate_id);
    let key = item.zip(outcome.map(|outcome| outcome.request_type.as_str()));
    let open = nameless.iter_mut().find(|(candidate, left)| Some(**candidate) == key && **left > 0);
    match open {
        Some((_, left)) => *left -= 1,
        None => report.invented.push(format!("{command}: nobody sent it")),
    }
}

fn count(database: &Database, by_command: &BTreeMap<CommandId, Facts<'_>>, history: &History, report: &mut Report) {
    let rejection = |facts: &&Facts<'_>| facts.iter().any(|(_, m)| matches!(m.change, Change::CommandRejected { .. }));
    let counts = &mut report.counts;
    counts.sent = history.commands.len();
    counts.accepted = history.commands.iter().filter(|one| one.accepted).count();
    counts.unknown = history.commands.iter().filter(|one| one.unknown).count();
    counts.journal = database.journal.len();
    counts.rejected = by_command.values().filter(rejection).count();
    counts.applied = by_command.len() - counts.rejected;
    counts.dead_letters = database.dead_letters.len();
}
