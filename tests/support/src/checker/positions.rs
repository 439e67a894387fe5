//! Positions, the order that they give, and dead letters by their origin.

use std::collections::{BTreeMap, BTreeSet};

use super::database::{Database, Entry};
use super::{History, Origin, Report};

pub(super) fn check(database: &Database, history: &History, report: &mut Report) {
    positions(database, report);
    one_cause_each(database, report);
    order(database, report);
    dead_letter_rows(database, report);
    poison(database, history, report);
}

/// What of a log has been seen so far.
#[derive(Default)]
struct Seen<'a> {
    /// The last message.
    message: Option<&'a Entry>,
    /// The last entry that no message caused: it names the next offset to apply.
    between: Option<&'a Entry>,
}

/// Within a log, offsets never go back, and the stored position is behind them all.
fn positions(database: &Database, report: &mut Report) {
    let mut logs: BTreeMap<i64, Seen<'_>> = BTreeMap::new();
    for entry in &database.journal {
        let seen = logs.entry(entry.log).or_default();
        let caused = entry.is_of_a_message();
        let behind_message = |last: &&Entry| {
            if caused { entry.log_offset < last.log_offset } else { entry.log_offset <= last.log_offset }
        };
        let later = seen.message.filter(behind_message);
        if let Some(last) = later.or(seen.between.filter(|last| entry.log_offset < last.log_offset)) {
            report.position_faults.push(format!(
                "log {}: sequence {} is of offset {}, sequence {} before it of offset {}",
                database.log_name(entry.log),
                entry.sequence,
                entry.log_offset,
                last.sequence,
                last.log_offset
            ));
        } else if caused {
            seen.message = Some(entry);
        } else {
            seen.between = Some(entry);
        }
    }
    for (log, seen) in logs {
        let next = database.logs.get(&log).and_then(|log| log.next_offset);
        let name = database.log_name(log);
        if let Some(offset) =
            seen.message.map(|last| last.log_offset).filter(|&offset| next.is_none_or(|next| next <= offset))
        {
            report.position_faults.push(format!("log {name}: offset {offset} was applied, the position is {next:?}"));
        }
        if let Some(offset) = seen.between.map(|last| last.log_offset).filter(|&offset| next.unwrap_or(0) < offset) {
            report
                .position_faults
                .push(format!("log {name}: offset {offset} was to be next, the position is {next:?}"));
        }
    }
}

/// An offset of a log holds one message, and so one command or one dead letter.
fn one_cause_each(database: &Database, report: &mut Report) {
    let mut causes: BTreeMap<(i64, i64), BTreeSet<String>> = BTreeMap::new();
    for entry in database.journal.iter().filter(|entry| entry.is_of_a_message()) {
        let cause = match (&entry.message, entry.command_id) {
            (Some(_), Some(command)) => format!("command {command}"),
            _ => format!("the dead letter at sequence {}", entry.sequence),
        };
        causes.entry((entry.log, entry.log_offset)).or_default().insert(cause);
    }
    for ((log, offset), causes) in causes.iter().filter(|(_, causes)| causes.len() > 1) {
        let (name, causes) = (database.log_name(*log), causes.iter().cloned().collect::<Vec<_>>().join(" and "));
        report.position_faults.push(format!("log {name}: offset {offset} stands for {causes}"));
    }
}

/// For each aggregate, the journal's order is the log's; and the writer's clock never goes back.
fn order(database: &Database, report: &mut Report) {
    let mut last_of = BTreeMap::new();
    let mut last_time = i64::MIN;
    for entry in &database.journal {
        if let Some(of) = &entry.of {
            let last = last_of.insert((of, entry.log), entry.log_offset);
            if let Some(last) = last.filter(|&last| last > entry.log_offset) {
                let (sequence, offset) = (entry.sequence, entry.log_offset);
                report.order.push(format!("{of}: offset {offset} at sequence {sequence} comes after offset {last}"));
            }
        }
        if entry.occurred_at < last_time {
            report.order.push(format!("sequence {}: time went back from {last_time}", entry.sequence));
        }
        last_time = last_time.max(entry.occurred_at);
    }
    if database.progress.last_time < last_time {
        report.order.push(format!("the writer's clock is kept at {}, behind {last_time}", database.progress.last_time));
    }
}

/// The journal's entries of dead letters and the letters themselves are one to one.
fn dead_letter_rows(database: &Database, report: &mut Report) {
    let entries = database.journal.iter().filter(|entry| entry.message.is_none());
    let mut entries: BTreeMap<i64, &Entry> = entries.map(|entry| (entry.sequence, entry)).collect();
    for letter in &database.dead_letters {
        let entry = entries.remove(&letter.sequence);
        let same = entry.is_some_and(|entry| {
            (entry.log, entry.log_offset, entry.command_id) == (letter.log, letter.offset, letter.command_id)
        });
        if !same {
            let id = letter.id;
            report.dead_letters.push(format!("{id} is not what the journal has at sequence {}", letter.sequence));
        }
    }
    for sequence in entries.keys() {
        report.dead_letters.push(format!("sequence {sequence} is an entry without a dead letter"));
    }
}

/// Dead letters are the poison, all of it and nothing else.
fn poison(database: &Database, history: &History, report: &mut Report) {
    let mut expected: BTreeSet<&Origin> = history.poison.iter().collect();
    let mut found = BTreeSet::new();
    for letter in &database.dead_letters {
        let log = database.log_name(letter.log).to_owned();
        let origin = Origin { log, partition: letter.partition, offset: letter.offset };
        if !expected.remove(&origin) && !found.contains(&origin) {
            report.dead_letters.push(format!("{}: a good message became a dead letter: {origin:?}", letter.id));
        } else if !found.insert(origin.clone()) {
            report.dead_letters.push(format!("{}: a second dead letter of {origin:?}", letter.id));
        }
    }
    for origin in expected {
        report.dead_letters.push(format!("the poison at {origin:?} is no dead letter"));
    }
}
