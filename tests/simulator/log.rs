//! The simulated log: records with holes between their offsets, as compaction and transactions leave them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use kafka::{Polled, Record};
use listener_service::clock::TimeSource;
use listener_service::consumer::{self, TELL_EVERY};
use shared::token::LogId;

pub(crate) type Shared<T> = Rc<RefCell<T>>;

pub(crate) fn shared<T>(value: T) -> Shared<T> {
    Rc::new(RefCell::new(value))
}

pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) records: Vec<Record>,
    pub(crate) next_offset: i64,
    /// The broker does not answer.
    pub(crate) is_down: bool,
}

impl Log {
    /// Begins somewhere, for the beginning of a log may be trimmed.
    pub(crate) fn new(number: usize, begins_at: i64) -> Self {
        let id = LogId::cluster(&format!("embedded:simulated-{number}"));
        Self { id, records: Vec::new(), next_offset: begins_at, is_down: false }
    }

    /// Appends behind a hole of so many offsets.
    pub(crate) fn append(&mut self, hole: i64, mut record: Record) -> i64 {
        let offset = self.next_offset + hole;
        record.offset = offset;
        self.records.push(record);
        self.next_offset = offset + 1;
        offset
    }

    pub(crate) fn bounds(&self) -> (i64, i64) {
        (self.records.first().map_or(self.next_offset, |record| record.offset), self.next_offset)
    }
}

/// Reads a log from a position.
pub(crate) struct Reader {
    pub(crate) log: Shared<Log>,
    pub(crate) position: Cell<i64>,
    /// It was told that the broker is down: faults come once and not without end.
    pub(crate) was_told: Cell<bool>,
    /// When lag tools were told.
    pub(crate) committed: Cell<Instant>,
    pub(crate) time: TimeSource,
}

impl consumer::Log for Reader {
    type Error = String;

    fn identity(&self, _: Duration) -> Result<Option<LogId>, String> {
        let log = self.log.borrow();
        if log.is_down { Err("the broker is down".to_owned()) } else { Ok(Some(log.id.clone())) }
    }

    fn bounds(&self, _: Duration) -> Result<(i64, i64), String> {
        let log = self.log.borrow();
        if log.is_down { Err("the broker is down".to_owned()) } else { Ok(log.bounds()) }
    }

    fn poll(&self, _: Duration) -> Polled {
        let log = self.log.borrow();
        if log.is_down {
            let was_told = self.was_told.replace(!self.was_told.get());
            return if was_told { Polled::Nothing } else { Polled::Passing("the broker is down".to_owned()) };
        }
        let at = log.records.partition_point(|record| record.offset < self.position.get());
        let Some(record) = log.records.get(at) else { return Polled::Nothing };
        self.position.set(record.offset + 1);
        Polled::Record(record.clone())
    }

    fn pause(&self) -> Result<(), String> {
        Ok(())
    }

    fn resume(&self) -> Result<(), String> {
        Ok(())
    }

    fn commit(&self, _: i64) {
        let before = self.committed.replace(self.time.instant());
        assert!(self.time.since(before) >= TELL_EVERY, "lag tools are told too often");
    }
}
