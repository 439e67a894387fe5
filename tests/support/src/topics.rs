//! Holds what was published to the journal: all of it is there, byte by byte and in its order, and nothing else.
//!
//! Messages are plain data, for only the crate `kafka` knows a client. They are to be all that the topics hold, read
//! when the publisher has nothing left to do, from a log that was neither trimmed nor made anew meanwhile.

mod expected;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use uuid::Uuid;

use expected::{Expected, Letter};

/// One message of a topic, as any client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which partition.
    pub partition: i32,
    /// Where in it.
    pub offset: i64,
    /// None is null.
    pub key: Option<Vec<u8>>,
    /// None is a tombstone.
    pub value: Option<Vec<u8>>,
    /// In their order.
    pub headers: Vec<Header>,
}

/// A header; a null value is none.
pub type Header = (String, Option<Vec<u8>>);

/// All that is on our topics, in any order.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    /// inventory.items
    pub items: Vec<Message>,
    /// inventory.stock
    pub stock: Vec<Message>,
    /// inventory.dlq
    pub dlq: Vec<Message>,
}

/// How much was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Facts of the journal.
    pub facts: usize,
    /// Dead letters of the database.
    pub dead_letters: usize,
    /// Of these, those that the broker refused for what they are.
    pub unpublishable: usize,
    /// Messages on the topics.
    pub messages: usize,
    /// Of these, those that were there before.
    pub repeated: usize,
}

/// Every violation found, in words.
#[derive(Debug, Clone, Default)]
#[must_use = "a report that nobody reads proves nothing"]
pub struct Report {
    /// A fact of the journal is not on its topic.
    pub lost: Vec<String>,
    /// A message is there more often than ends of the publisher explain.
    pub twice: Vec<String>,
    /// A message is there that the journal does not hold, or not so.
    pub invented: Vec<String>,
    /// What was published first of a key, or of the dead letters, is not what the journal has first.
    pub order: Vec<String>,
    /// A dead letter of the table is missing or changed, or one is there that the table does not have.
    pub dead_letters: Vec<String>,
    /// How much was checked.
    pub counts: Counts,
}

/// Checks `topics` against the database file. `endings` is how often a publisher has ended with work before it, or was
/// put aside: each may repeat what was after its watermark, so a message is there at most once more than that. With 0,
/// nothing is there twice. Panics if the database cannot be read.
pub fn check(database: &Path, topics: &Topics, endings: usize) -> Report {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let expected = Connection::open_with_flags(database, flags).and_then(|mut connection| {
        let snapshot = connection.transaction()?;
        Expected::load(&snapshot)
    });
    let expected = expected.unwrap_or_else(|error| panic!("cannot read {}: {error}", database.display()));
    let mut report = Report::default();
    let mut seen = Seen { endings, ..Seen::default() };
    for (topic, messages, facts) in
        [("items", &topics.items, &expected.items), ("stock", &topics.stock, &expected.stock)]
    {
        let mut places: BTreeMap<&[u8], (i32, i64)> = BTreeMap::new();
        for message in in_order(messages) {
            let at = place(topic, message);
            match known(message, facts) {
                Ok((id, sequence)) if seen.is_first(id, &at, &mut report) => {
                    let key = message.key.as_deref().unwrap_or_default();
                    check_order(places.insert(key, (message.partition, sequence)), message, sequence, &at, &mut report);
                }
                Ok(_) => {}
                Err(fault) => report.invented.push(format!("{at}: {fault}")),
            }
        }
        report.counts.facts += facts.len();
        let missing = facts.iter().filter(|(id, _)| !seen.times.contains_key(*id));
        let lost = missing.map(|(id, fact)| format!("sequence {}, event {id}, is not on {topic}", fact.sequence));
        report.lost.extend(lost);
    }
    check_letters(&expected, &topics.dlq, &mut seen, &mut report);
    report.counts.messages = topics.items.len() + topics.stock.len() + topics.dlq.len();
    report
}

/// What was there already, by event id or dlq-id.
#[derive(Default)]
struct Seen {
    endings: usize,
    times: BTreeMap<Uuid, usize>,
}

impl Seen {
    fn is_first(&mut self, id: Uuid, at: &str, report: &mut Report) -> bool {
        let times = self.times.entry(id).or_default();
        *times += 1;
        if *times > 1 {
            report.counts.repeated += 1;
        }
        if *times > self.endings + 1 {
            report
                .twice
                .push(format!("{at}: {id} is there {times} times, after {} ends of the publisher", self.endings));
        }
        *times == 1
    }
}

/// By partition and offset: how a consumer sees them.
fn in_order(messages: &[Message]) -> Vec<&Message> {
    let mut messages: Vec<&Message> = messages.iter().collect();
    messages.sort_by_key(|message| (message.partition, message.offset));
    messages
}

fn place(topic: &str, message: &Message) -> String {
    format!("{topic}-{}@{}", message.partition, message.offset)
}

/// The fact that the message is, and its place in the journal.
fn known(message: &Message, facts: &BTreeMap<Uuid, expected::Fact>) -> Result<(Uuid, i64), String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        event_id: Uuid,
    }
    let body = message.value.as_deref().ok_or("a tombstone")?;
    let Named { event_id } = serde_json::from_slice(body).map_err(|error| format!("no fact: {error}"))?;
    let fact = facts.get(&event_id).ok_or_else(|| format!("the journal has no event {event_id} for this topic"))?;
    let differs = |what: &str| Err(format!("{what} of sequence {} is not the journal's", fact.sequence));
    if body != fact.message.as_bytes() {
        return differs("the body");
    }
    if message.key.as_deref() != Some(fact.key.as_bytes()) {
        return differs("the key");
    }
    let of = |headers: &[Header]| headers.iter().cloned().collect::<BTreeSet<_>>();
    if message.headers.len() != fact.headers.len() || of(&message.headers) != of(&fact.headers) {
        return differs("a header");
    }
    Ok((event_id, fact.sequence))
}

/// A key is in order only within one partition.
fn check_order(before: Option<(i32, i64)>, message: &Message, sequence: i64, at: &str, report: &mut Report) {
    match before {
        Some((partition, _)) if partition != message.partition => {
            report.order.push(format!("{at}: the key of sequence {sequence} is on partition {partition} too"));
        }
        Some((_, last)) if last > sequence => {
            report.order.push(format!("{at}: sequence {sequence} comes after {last} of the same key"));
        }
        _ => {}
    }
}

fn check_letters(expected: &Expected, dlq: &[Message], seen: &mut Seen, report: &mut Report) {
    let mut last = None;
    for message in in_order(dlq) {
        let at = place("dlq", message);
        match known_letter(message, &expected.letters) {
            Ok((id, sequence)) if seen.is_first(id, &at, report) => {
                check_order(last.replace((message.partition, sequence)), message, sequence, &at, report);
            }
            Ok(_) => {}
            Err(fault) => report.dead_letters.push(format!("{at}: {fault}")),
        }
    }
    let mut origins = BTreeSet::new();
    for (id, letter) in &expected.letters {
        if !origins.insert(&letter.origin) {
            report.dead_letters.push(format!("{id}: another one is of the same message, {:?}", letter.origin));
        }
        if !letter.is_unpublishable && !seen.times.contains_key(id) {
            report.dead_letters.push(format!("sequence {}, {id}, is not on the topic", letter.sequence));
        }
    }
    report.counts.dead_letters = expected.letters.len();
    report.counts.unpublishable = expected.letters.values().filter(|letter| letter.is_unpublishable).count();
}

fn known_letter(message: &Message, letters: &BTreeMap<Uuid, Letter>) -> Result<(Uuid, i64), String> {
    // The last one is ours: what became a dead letter may have been one before.
    let named = message.headers.iter().rev().find(|(name, _)| name == "dlq-id");
    let named = named.and_then(|(_, value)| Uuid::try_parse_ascii(value.as_deref()?).ok());
    let id = named.ok_or("it has no dlq-id")?;
    let letter = letters.get(&id).ok_or_else(|| format!("the database has no dead letter {id}"))?;
    let differs = |what: &str| Err(format!("{what} of {id} is not as it came, or not as the database says"));
    if message.key != letter.key {
        return differs("the key");
    }
    if message.value != letter.value {
        return differs("the value");
    }
    if message.headers != letter.headers {
        return differs("a header");
    }
    Ok((id, letter.sequence))
}

impl Report {
    /// Every violation with its kind.
    pub fn violations(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("lost", &self.lost),
            ("twice", &self.twice),
            ("invented", &self.invented),
            ("order", &self.order),
            ("dead letters", &self.dead_letters),
        ];
        all.into_iter().flat_map(|(name, found)| found.iter().map(move |text| (name, text.as_str())))
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.violations().next().is_none()
    }

    /// Panics with everything that was found.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { facts, dead_letters, unpublishable, messages, repeated } = self.counts;
        writeln!(f, "facts {facts}, dead letters {dead_letters} ({unpublishable} unpublishable)")?;
        writeln!(f, "messages {messages}, of them repeated {repeated}; violations {}", self.violations().count())?;
        self.violations().try_for_each(|(name, text)| writeln!(f, "{name}: {text}"))
    }
}

#[cfg(test)]
mod tests;
