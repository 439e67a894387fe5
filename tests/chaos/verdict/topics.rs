//! What is on the four topics: every command has ended, and what was published is what the journal says.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kafka::Record;
use serde_json::Value;
use shared::id::CommandId;
use testkit::topics::{self, Message};

use super::named;
use crate::poison::MARK;
use crate::world::{World, position};

const READING: Duration = Duration::from_mins(2);

/// All that is on the four topics.
pub(super) struct Topics {
    pub(super) commands: Vec<Record>,
    items: Vec<Record>,
    stock: Vec<Record>,
    dead_letters: Vec<Record>,
}

impl Topics {
    pub(super) fn read(world: &World) -> Self {
        let broker = world.broker();
        let all = |name: &str| kafka::newest(&broker, name, usize::MAX, READING).expect("the broker is there");
        Self {
            commands: all("inventory.commands"),
            items: all("inventory.items"),
            stock: all("inventory.stock"),
            dead_letters: all("inventory.dlq"),
        }
    }

    /// Of each message that is no poison, whether its sender knows of it or not; and nothing is behind the position.
    pub(super) fn each_command_has_ended(&self, world: &World) {
        let connection = world.look();
        let mut statement = connection.prepare("SELECT 1 FROM outcomes WHERE command_id = ?1").expect("prepared");
        for record in self.commands.iter().filter(|record| !is_poison(record)) {
            let body: Option<Value> = record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
            let id = body.as_ref().and_then(|body| CommandId::parse(body["commandId"].as_str()?).ok());
            if !id.is_some_and(|id| statement.exists([id.uuid()]).expect("read")) {
                let seen = format!("offset {} of the log, command {id:?}, has no outcome", record.offset);
                world.journal().violated("lost", seen);
            }
        }
        let end = self.commands.iter().map(|record| record.offset + 1).max().unwrap_or(0);
        if position(&connection) != end {
            let seen = format!("the position is {}, the log ends at {end}", position(&connection));
            world.journal().violated("position", seen);
        }
    }

    /// For who looks at a violation.
    pub(super) fn write(&self, world: &World) {
        let topics = [&self.commands, &self.items, &self.stock, &self.dead_letters];
        for (name, records) in ["commands", "items", "stock", "dlq"].into_iter().zip(topics) {
            let lines: Vec<String> = records.iter().map(|record| format!("{record:?}\n")).collect();
            let path = world.folder.join(format!("topic-{name}.txt"));
            std::fs::write(path, lines.concat()).expect("written");
        }
    }

    /// How many different dead letters are on their topic.
    pub(super) fn check(&self, world: &World, poison: usize) -> usize {
        let message = |record: &Record| Message {
            partition: record.partition,
            offset: record.offset,
            key: record.key.as_ref().map(|bytes| bytes.to_vec()),
            value: record.value.as_ref().map(|bytes| bytes.to_vec()),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_ref().map(|bytes| bytes.to_vec())))
                .collect(),
        };
        let all = |records: &[Record]| records.iter().map(message).collect();
        let published =
            topics::Topics { items: all(&self.items), stock: all(&self.stock), dlq: all(&self.dead_letters) };
        let ended = usize::try_from(world.publishers_ended.load(Ordering::SeqCst)).expect("fits");
        let report = topics::check(&world.database, &published, ended);
        for (of, seen) in report.violations() {
            world.journal().violated(named(of), format!("on the topics: {seen}"));
        }
        let id = |record: &Record| record.headers.iter().find(|(name, _)| name == "dlq-id").cloned();
        let found = self.dead_letters.iter().filter_map(id).collect::<BTreeSet<_>>().len();
        let unpublishable = report.counts.unpublishable;
        if found + unpublishable != poison {
            let seen = format!("{poison} poisons, {found} dead letters on the topic, {unpublishable} unpublishable");
            world.journal().violated("deadLetters", seen);
        }
        found
    }
}

pub(super) fn is_poison(record: &Record) -> bool {
    record.headers.iter().any(|(name, _)| name == MARK)
}
