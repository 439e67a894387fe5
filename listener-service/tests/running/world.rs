//! Commands for a process that is built to fail, and what came of them.

use std::path::PathBuf;
use std::process::Command;

use shared::message::RequestEnvelope;
use testkit::checker::{self, History, Origin, Report, Sent};
use testkit::poll::eventually;
use testkit::read_model::assert_model_equals_database;
use testkit::redis_server::RedisServer;

use crate::PROGRAM;
use crate::app::database;
use crate::processes::{Process, held_by};
use crate::spawned::{Broker, SOON, add_one, create, look, outcomes};

const LEASE_SECONDS: u32 = 2;

/// A broker with commands on it, before anybody has read them.
pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) broker: Broker,
    pub(crate) redis: Option<RedisServer>,
    history: History,
    poison: Vec<i64>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (folder, path) = database();
        let history = History { complete: true, ..History::default() };
        let broker = Broker::start().await;
        let mut world = Self { _folder: folder, path, broker, redis: None, history, poison: Vec::new() };
        world.send(&create("A", 1)).await;
        world.send(&add_one("A")).await;
        world
    }

    pub(crate) async fn send(&mut self, request: &RequestEnvelope) {
        self.broker.send(request).await;
        self.history.commands.push(Sent {
            command_id: Some(request.command_id),
            of: request.aggregate_id.clone(),
            expected_type: request.event_type.to_owned(),
            accepted: true,
            unknown: false,
        });
    }

    pub(crate) async fn poison(&mut self) {
        self.poison.push(self.broker.put(Some(b"k"), b"\xffgarbage", &[]).await);
    }

    /// With a variable that only the feature reads.
    pub(crate) fn start(&self, broken_by: Option<(&str, &str)>) -> Process {
        let mut command = Command::new(PROGRAM);
        command.envs(broken_by);
        if let Some(redis) = &self.redis {
            let address = redis.address();
            command.env("REDIS_HOST", address.host).env("REDIS_PORT", address.port.to_string());
        }
        Process::spawn(&self.broker, &self.path, LEASE_SECONDS, &mut command)
    }

    pub(crate) fn look<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        look(&self.path, sql).expect("readable")
    }

    pub(crate) fn outcomes(&self) -> i64 {
        self.look("SELECT count(*) FROM outcomes")
    }

    /// What the checker finds.
    pub(crate) fn check(&mut self) -> Report {
        let log: String = self.look("SELECT log_id FROM logs");
        let origin = |&offset: &i64| Origin { log: log.clone(), partition: 0, offset };
        self.history.poison = self.poison.iter().map(origin).collect();
        checker::check(&self.path, &self.history)
    }

    pub(crate) fn is_all_published(&self) -> bool {
        let sql = "SELECT published = (SELECT max(sequence) FROM journal) FROM progress";
        look(&self.path, sql) == Some(true)
    }

    pub(crate) async fn all_is_published(&self) {
        eventually(SOON, async || self.is_all_published()).await;
    }

    /// Another one goes on, and in the end all is as if nobody had died.
    pub(crate) async fn is_followed(&mut self) {
        let follower = self.start(None);
        let expected = i64::try_from(self.history.commands.len()).expect("few");
        held_by(&self.path, &follower).await;
        outcomes(&self.path, expected).await;
        self.all_is_published().await;
        self.check().assert_clean();
        if let Some(redis) = &self.redis {
            assert_model_equals_database(&self.path, &redis.address(), SOON);
        }
    }
}
