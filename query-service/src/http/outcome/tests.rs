//! The wait for an outcome, where the tests see who waits.

use std::sync::Arc;

use rusqlite::Connection;
use shared::http::health::Readiness;
use shared::lifecycle::Shutdown;

use super::*;
use crate::config::Config;
use crate::follower::Follower;
use crate::following::Following;
use crate::model::{ReadModel, Sources};
use crate::source::Source;

#[tokio::test]
async fn whoever_waits_is_answered_at_once_when_the_service_ends() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite_path = folder.path().join("inventory.db");
    crate::query::schema::create(&Connection::open(&sqlite_path).unwrap());
    let following = Arc::new(Following::of_database());
    let readiness = Readiness::new("test", &[]);
    Follower::new(sqlite_path.clone(), Arc::clone(&following), readiness).step().unwrap();
    let second = Duration::from_secs(1);
    let config = Config {
        host: String::new(),
        port: 0,
        sqlite_path: Some(sqlite_path.clone()),
        redis: None,
        cache_ttl: second,
        cache_capacity: 1,
        read_wait: second,
        retention: second,
    };
    let sources = Sources { redis: None, database: Some(Source::new(&sqlite_path)) };
    let model = Arc::new(ReadModel::new(sources, Arc::clone(&following), Arc::default(), &config));
    let (shutdown, retention) = (Shutdown::new(), Duration::from_hours(1));
    let api = Arc::new(Api { model, shutdown, read_wait: second, retention });
    let (command, waiting) = (CommandId::fresh(), Arc::clone(&api));
    let began = Instant::now();
    let waiting = tokio::spawn(async move { waiting.outcome(command, &[], began + 30 * second).await });
    while following.waiters.of([command].into_iter()).is_empty() {
        tokio::task::yield_now().await;
    }
    api.shutdown.begin(second);
    assert_eq!(waiting.await.unwrap().unwrap().value.status, OutcomeStatus::Pending);
    assert!(began.elapsed() < 20 * second, "it ended by itself");
}
