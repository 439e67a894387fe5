//! What operators see: the state of the writer, the database, the newest messages, and the dead letters.

mod database;
mod dead_letter;
mod dead_letters;
mod messages;
mod stats;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::middleware::map_request;
use kafka::{Connection, LogReader, Topics};
use r2d2_sqlite::SqliteConnectionManager;
use shared::http::context::{InContext, noted};
use shared::http::health::Readiness;
use shared::problem::{Problem, ProblemCode};
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Config;
use crate::status::Status;

const READERS: u32 = 2;
const WAIT_FOR_READER: Duration = Duration::from_secs(2);
const BROKER_LOOKS: usize = 4;
const WAIT_FOR_BROKER: Duration = Duration::from_millis(800);

/// What the routes look at. Clones share it.
#[derive(Clone)]
pub(crate) struct Monitor {
    status: Arc<Status>,
    path: PathBuf,
    pool: r2d2::Pool<SqliteConnectionManager>,
    kafka: Connection,
    topics: Topics,
    /// Made when first needed: it needs the broker.
    reader: Arc<Mutex<Option<LogReader>>>,
    broker_looks: Arc<Semaphore>,
}

impl Monitor {
    pub(crate) fn new(config: &Config, status: Arc<Status>) -> Self {
        let manager = SqliteConnectionManager::file(&config.sqlite_path)
            .with_flags(crate::database::read_only())
            .with_init(|connection| crate::database::set_up_reading(connection, WAIT_FOR_READER));
        let pool = r2d2::Pool::builder()
            .max_size(READERS)
            .min_idle(Some(0))
            .connection_timeout(WAIT_FOR_READER)
            .build_unchecked(manager);
        Self {
            status,
            path: config.sqlite_path.clone(),
            pool,
            kafka: config.kafka.clone(),
            topics: config.topics.clone(),
            reader: Arc::default(),
            broker_looks: Arc::new(Semaphore::new(BROKER_LOOKS)),
        }
    }

    /// Runs `read` on a read-only connection, off the runtime's threads. What fails is `SOURCE_UNAVAILABLE`.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let pool = self.pool.clone();
        blocking(move || {
            let connection = pool.get().map_err(|error| unavailable(&error))?;
            read(&connection).map_err(|error| unavailable(&error))
        })
        .await?
    }

    /// Asks the broker through a reader of our own, off the runtime's threads; none if it does not answer in time.
    async fn ask_broker<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&LogReader, Duration) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        // A broker that does not answer must not keep the threads that others need.
        let _turn = self.broker_looks.try_acquire().ok()?;
        let (slot, kafka, topic) = (Arc::clone(&self.reader), self.kafka.clone(), self.topics.commands.clone());
        blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                *slot = LogReader::open(&kafka, &topic, "inventory-monitor").ok();
            }
            slot.as_ref().and_then(|reader| ask(reader, WAIT_FOR_BROKER))
        })
        .await
        .ok()
        .flatten()
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(ProblemCode::SourceUnavailable, format!("the database cannot be read now: {error}"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "what a request needed panicked");
        Problem::new(ProblemCode::Internal, "the request could not be served")
    })
}

/// The routes, and the document that describes them.
pub(crate) fn router(readiness: Readiness, monitor: Monitor) -> (InContext, OpenApi) {
    let api = OpenApiRouter::new()
        .routes(routes!(stats::stats))
        .routes(routes!(database::database))
        .routes(routes!(messages::messages))
        .routes(routes!(dead_letters::dead_letters))
        .routes(routes!(dead_letter::dead_letter))
        .route_layer(map_request(noted))
        .with_state(monitor);
    shared::http::docs::complete(
        "Inventory: operating",
        "What the only writer does: its position and lag, its database, the newest messages of each topic, and the \
         dead letters.",
        readiness,
        api,
    )
}
