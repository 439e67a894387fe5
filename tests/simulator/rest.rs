//! What must be so when all is done: the database by testkit's checker and by the model, the topics and the cache by the
//! database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use shared::clock::Timestamp;
use testkit::{checker, read_model};
use uuid::Uuid;

use crate::cache::Redis;
use crate::oracle;
use crate::sending::Clients;
use crate::topics::{DLQ, Message, Topics, is_too_large};

/// What is held against the database.
pub(crate) struct Held<'a> {
    pub(crate) path: &'a Path,
    pub(crate) clients: &'a Clients,
    pub(crate) topics: &'a Topics,
    pub(crate) redis: &'a Redis,
    /// The end of the log that is consumed; none if it is empty.
    pub(crate) log_end: Option<i64>,
    /// A publisher died, or was not told of what it had published.
    pub(crate) may_repeat: bool,
    /// The writer's clock.
    pub(crate) now: Timestamp,
}

/// Every violation, in words.
pub(crate) fn violations(held: &Held<'_>) -> Vec<String> {
    look(held).unwrap_or_else(|error| vec![format!("the database cannot be read: {error}")])
}

fn look(held: &Held<'_>) -> rusqlite::Result<Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(held.path, flags)?;
    let history = held.clients.history(&connection)?;
    let report = checker::check(held.path, &history);
    let mut found: Vec<String> = report.violations().map(|(name, text)| format!("{name}: {text}")).collect();
    found.extend(oracle::differences(&connection, held.clients, held.now)?);
    let position: Option<i64> =
        connection.query_row("SELECT next_offset FROM logs WHERE superseded_at IS NULL", [], |row| row.get(0))?;
    if position != held.log_end {
        found.push(format!("position: it is {position:?}, the log ends at {:?}", held.log_end));
    }
    facts(&connection, held, &mut found)?;
    dead_letters(&connection, held, &mut found)?;
    found.extend(held.redis.watch.found.iter().map(|text| format!("a reader of the cache: {text}")));
    match read_model::differences_of(held.path, &held.redis.store.documents(), held.now) {
        Ok(differences) => found.extend(differences.into_iter().map(|text| format!("cache: {text}"))),
        Err(why) => found.push(format!("cache: {why}")),
    }
    Ok(found)
}

/// The topics hold every fact, for each key of a topic first in the journal's order, and nothing else.
fn facts(connection: &Connection, held: &Held<'_>, found: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare("SELECT sequence, stream, message FROM journal WHERE message IS NOT NULL ORDER BY sequence")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let journal: Vec<(u64, i64, String)> = rows.collect::<rusqlite::Result<_>>()?;
    let by_text: BTreeMap<&str, (u64, i64)> =
        journal.iter().map(|(sequence, stream, text)| (text.as_str(), (*sequence, *stream))).collect();
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let mut last_of: BTreeMap<(&str, &[u8]), u64> = BTreeMap::new();
    for message in held.topics.messages.iter().filter(|message| message.topic != DLQ) {
        let text = std::str::from_utf8(message.value.as_deref().unwrap_or_default()).unwrap_or_default();
        let Some(&(sequence, stream)) = by_text.get(text) else {
            found.push(format!("topics: a message that the journal does not have: {text}"));
            continue;
        };
        let times = seen.entry(sequence).or_default();
        *times += 1;
        if *times == 1 {
            // Between topics there is no order.
            let of = (message.topic.as_str(), message.key.as_deref().unwrap_or_default());
            let last = last_of.insert(of, sequence).unwrap_or(0);
            if last > sequence {
                found.push(format!("topics: sequence {sequence} comes after {last} of the same key"));
            }
        }
        found.extend(fault_of(message, stream, text).map(|fault| format!("topics: sequence {sequence}: {fault}")));
    }
    let missing = journal.iter().filter(|(sequence, ..)| !seen.contains_key(sequence));
    found.extend(missing.map(|(sequence, ..)| format!("topics: sequence {sequence} is on none")));
    if !held.may_repeat {
        let twice = seen.iter().filter(|(_, times)| **times > 1);
        found.extend(twice.map(|(sequence, _)| format!("topics: sequence {sequence} twice, and nothing went wrong")));
    }
    Ok(())
}

fn fault_of(message: &Message, stream: i64, text: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(text).ok()?;
    let topic = if stream == 0 { "inventory.items" } else { "inventory.stock" };
    if message.topic != topic {
        return Some(format!("it is on {}", message.topic));
    }
    let is_its = |header: &str, field: &str| message.header(header) == body[field].as_str();
    let is_keyed = message.key.as_deref() == body["aggregateId"].as_str().map(str::as_bytes);
    let is_right = is_keyed && is_its("event-id", "eventId") && is_its("event-type", "eventType");
    (!is_right).then(|| "its key or its headers say something else".to_owned())
}

/// Every dead letter is on its topic as it came, or it is kept why it could not be.
fn dead_letters(connection: &Connection, held: &Held<'_>, found: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut published: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in held.topics.messages.iter().filter(|message| message.topic == DLQ) {
        published.entry(message.header("dlq-id").unwrap_or_default()).or_default().push(message);
    }
    let mut statement = connection.prepare("SELECT dead_letter_id, key, value, publish_error FROM dead_letters")?;
    let mut rows = statement.query([])?;
    let mut ids = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let id = row.get::<_, Uuid>(0)?.to_string();
        let (key, value): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
        let error: Option<String> = row.get(3)?;
        let messages = published.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let is_refused = is_too_large(DLQ, value.as_deref());
        match (is_refused, messages.len(), error) {
            (true, 0, Some(_)) | (false, 1, None) => {}
            (false, 2.., None) if held.may_repeat => {}
            (_, times, error) => {
                found.push(format!(
                    "dead letter {id}: {times} times on its topic, refused {is_refused}, noted {error:?}"
                ));
            }
        }
        if messages.iter().any(|message| (&message.key, &message.value) != (&key, &value)) {
            found.push(format!("dead letter {id} is not on its topic as it came"));
        }
        ids.insert(id);
    }
    let invented = published.keys().filter(|id| !ids.contains(**id));
    found.extend(invented.map(|id| format!("dead letter {id} is on its topic, and the database has none")));
    Ok(())
}
