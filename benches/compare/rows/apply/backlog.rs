//! A log in Kafka that begins with items and goes on with reservations of them, and the database as it was in between.

use std::path::PathBuf;

use kafka::Topics;
use tempfile::TempDir;
use testkit::kafka::Kafka;
use testkit::redis_server::RedisServer;

use crate::bench::Bench;
use crate::parts::database::Stocked;
use crate::parts::{self, log};
use crate::stock::reservation;

pub(super) struct Backlog {
    pub(super) kafka: Kafka,
    pub(super) kafka_pid: u32,
    pub(super) redis: RedisServer,
    pub(super) topics: Topics,
    /// The database with the items.
    pub(super) template: PathBuf,
    /// Which item each reservation is of.
    pub(super) order: Vec<usize>,
    /// Where in the log the reservations begin, and where they end.
    pub(super) begin: i64,
    pub(super) end: i64,
    _folder: TempDir,
}

impl Backlog {
    pub(super) fn make(bench: &Bench, items: usize, reservations: usize) -> anyhow::Result<Self> {
        let (kafka, redis) = (parts::kafka::start()?, parts::redis::start()?);
        let folder = Bench::folder()?;
        let topics = log::topics("backlog");
        let brokers = kafka.address();
        let stocked = Stocked::start(bench, folder.path(), &brokers, &topics, items, None)?;
        let (template, log) = stocked.template()?;
        let begin = log.sent();
        let mut random = fastrand::Rng::with_seed(1);
        let order: Vec<usize> = (0..reservations).map(|_| random.usize(..items)).collect();
        log.send(bench, order.iter().map(|&n| reservation(n)))?;
        Ok(Self {
            kafka_pid: parts::kafka::pid(&kafka)?,
            kafka,
            redis,
            topics,
            template,
            end: log.sent(),
            begin,
            order,
            _folder: folder,
        })
    }
}
