//! What clients send, and what else is put on the topic beside them; and what they remember of it.

use std::collections::{BTreeMap, BTreeSet};

use kafka::Record;
use rusqlite::Connection;
use shared::clock::Timestamp;
use shared::id::{CommandId, IdempotencyId};
use shared::message::{RequestEnvelope, fingerprint};
use testkit::checker::{History, Origin, Sent};
use testkit::model::Asked;
use testkit::model::random::{Turn, seeded};
use uuid::Uuid;

use crate::log::Log;
use crate::random::Random;
use crate::tally::Tally;

/// One command, as it was sent first.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) asked: Asked,
    pub(crate) key: Option<IdempotencyId>,
    pub(crate) event_type: &'static str,
    /// It stands in the log that is consumed, or did so when it was applied.
    pub(crate) is_accepted: bool,
    /// It fails each time that it is tried.
    pub(crate) always_fails: bool,
    /// It fails some times.
    pub(crate) may_fail: bool,
}

pub(crate) struct Clients {
    turns: std::vec::IntoIter<Turn>,
    pub(crate) commands: BTreeMap<CommandId, Command>,
    /// In the order in which they were sent first.
    order: Vec<CommandId>,
    pub(crate) poison: BTreeSet<Origin>,
    /// Where in the log each stands, to know what went with it.
    placed: Vec<(i64, CommandId)>,
}

impl Clients {
    pub(crate) fn new(seed: u64, turns: usize) -> Self {
        Self {
            turns: seeded(seed, turns).into_iter(),
            commands: BTreeMap::new(),
            order: Vec::new(),
            poison: BTreeSet::new(),
            placed: Vec::new(),
        }
    }

    /// A new command; none if all were sent. Returns it, and how long before it nothing happens.
    pub(crate) fn next(&mut self, random: &mut Random) -> Option<(CommandId, i64)> {
        let Turn { after_millis, asked } = self.turns.next()?;
        let command_id = asked.command_id;
        let of_another = self.order.len().checked_sub(1).filter(|_| random.chance(3)).map(|last| {
            let other = self.order[random.below(last + 1)];
            self.commands[&other].key
        });
        let own = || IdempotencyId::of("simulator", "POST", "/", &command_id.to_string());
        let key = of_another.flatten().or_else(|| random.chance(60).then(own));
        let event_type = asked.command.event_type();
        let command = Command { asked, key, event_type, is_accepted: false, always_fails: false, may_fail: false };
        self.commands.insert(command_id, command);
        self.order.push(command_id);
        Some((command_id, after_millis))
    }

    /// One that was sent before.
    pub(crate) fn again(&self, random: &mut Random) -> Option<CommandId> {
        (!self.order.is_empty()).then(|| self.order[random.below(self.order.len())])
    }

    /// Puts it on the log, accepted now.
    pub(crate) fn send(&mut self, id: CommandId, now: Timestamp, log: &mut Log, hole: i64) {
        let command = self.commands.get_mut(&id).expect("it is known");
        command.is_accepted = true;
        let offset = log.append(hole, record(&envelope(command, now), None));
        self.placed.push((offset, id));
    }

    /// Something that is no command, as somebody beside us puts it on the topic.
    pub(crate) fn poison(&mut self, random: &mut Random, now: Timestamp, log: &mut Log, tally: &mut Tally) {
        let Some(of) = self.again(random) else { return };
        let envelope = envelope(&self.commands[&of], now);
        let kinds: [(&'static str, Record); 9] = [
            ("poison: garbage", raw(Some(b"key"), Some(b"\xff\xfe no JSON"))),
            ("poison: from the future", record(&envelope, Some(("\"version\":1", "\"version\":2")))),
            ("poison: of an unknown type", record(&envelope, Some((envelope.event_type, "ItemEaten")))),
            ("poison: under another key", Record { key: Some("other".into()), ..record(&envelope, None) }),
            ("poison: without a key", Record { key: None, ..record(&envelope, None) }),
            ("poison: a tombstone", Record { value: None, ..record(&envelope, None) }),
            ("poison: too large", raw(Some(b"key"), Some(&vec![b'x'; 2500 + random.below(2)]))),
            ("poison: an unreadable header", {
                let headers = vec![("(not UTF-8)".into(), None)];
                Record { headers, ..record(&envelope, None) }
            }),
            ("poison: a header that contradicts", {
                let headers = vec![("event-type".into(), Some("ItemEaten".into()))];
                Record { headers, ..record(&envelope, None) }
            }),
        ];
        let (name, record) = kinds[random.below(kinds.len())].clone();
        let offset = log.append(0, record);
        self.poison.insert(Origin { log: log.id.to_string(), partition: 0, offset });
        tally.count(name);
    }

    /// The log is gone, and with it what was not consumed.
    pub(crate) fn log_is_gone(&mut self, log: &Log, position: i64, ended: &BTreeSet<CommandId>) {
        for (_, id) in self.placed.drain(..).filter(|(offset, _)| *offset >= position) {
            if !ended.contains(&id) {
                self.commands.get_mut(&id).expect("it is known").is_accepted = false;
            }
        }
        let name = log.id.to_string();
        self.poison.retain(|origin| origin.log != name || origin.offset < position);
    }

    /// Where dead letters may be of what failed too often; each command has one at most.
    pub(crate) fn history(&self, connection: &Connection) -> rusqlite::Result<History> {
        let mut poison: Vec<Origin> = self.poison.iter().cloned().collect();
        let mut statement = connection.prepare(
            "SELECT d.command_id, l.log_id, d.origin_partition, d.origin_offset
             FROM dead_letters d JOIN logs l USING (log) WHERE code = 'RETRIES_EXHAUSTED'",
        )?;
        let mut rows = statement.query([])?;
        let mut seen = BTreeSet::new();
        while let Some(row) = rows.next()? {
            let command = row.get::<_, Option<Uuid>>(0)?.map(CommandId::from_uuid);
            let may_fail = command.and_then(|id| self.commands.get(&id)).is_some_and(|command| command.may_fail);
            if may_fail && seen.insert(command) {
                poison.push(Origin { log: row.get(1)?, partition: row.get(2)?, offset: row.get(3)? });
            }
        }
        let sent = |(id, command): (&CommandId, &Command)| Sent {
            command_id: Some(*id),
            of: command.asked.of.clone(),
            expected_type: command.event_type.to_owned(),
            accepted: command.is_accepted,
            unknown: !command.is_accepted,
        };
        Ok(History { commands: self.commands.iter().map(sent).collect(), poison, complete: true })
    }
}

fn envelope(command: &Command, now: Timestamp) -> RequestEnvelope {
    let Asked { command_id, of, command: asked } = &command.asked;
    let print = fingerprint(Some(of), asked, None);
    let mut envelope = RequestEnvelope::new(of.clone(), *command_id, asked.clone(), print, now);
    envelope.idempotency_id = command.key;
    envelope
}

fn record(envelope: &RequestEnvelope, replaced: Option<(&str, &str)>) -> Record {
    let mut value = serde_json::to_string(envelope).expect("JSON");
    if let Some((this, by)) = replaced {
        value = value.replace(this, by);
    }
    raw(Some(envelope.aggregate_id.to_string().as_bytes()), Some(value.as_bytes()))
}

fn raw(key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
    let bytes = bytes::Bytes::copy_from_slice;
    Record {
        partition: 0,
        offset: 0,
        timestamp: None,
        key: key.map(bytes),
        value: value.map(bytes),
        headers: Vec::new(),
    }
}
