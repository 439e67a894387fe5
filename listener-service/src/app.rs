//! The listener put together: its thread that writes, and its HTTP side for operators.

use std::net::SocketAddr;
use std::sync::Arc;

use kafka::{BrokerState, Patience, Producer};
use shared::http::health::{Condition, Readiness};
use shared::http::server;
use shared::lifecycle::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, WhenHeld};
use crate::database;
use crate::http::{self, Monitor};
use crate::projector::REDIS;
use crate::status::{BROKER, DATABASE, LEASE, Status};
use crate::supervisor::{Supervisor, held_by};

/// The name in logs, metrics and health.
pub const SERVICE: &str = "listener-service";

/// A listener, bound and not yet running.
pub struct App {
    config: Config,
    listener: TcpListener,
    readiness: Readiness,
    status: Arc<Status>,
    producer: Producer,
}

impl App {
    /// Binds the port. Neither the broker nor the database need be there yet.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        if config.when_held == WhenHeld::Refuse {
            refuse_if_held(&config)?;
        }
        let listener = server::bind(&config.host, config.port, "LISTENER_PORT").await?;
        let readiness = Readiness::new(SERVICE, &[DATABASE, BROKER, LEASE]);
        let status = Arc::new(Status::new(readiness.clone()));
        if config.redis.is_some() {
            // Who stands by projects nothing, and is ready all the same.
            status.tell(REDIS, Condition::Degraded, "this listener projects once it writes");
        }
        let producer = Producer::unhurried(&config.kafka, &config.topics.commands, Patience::Endless)?;
        Ok(Self { config, listener, readiness, status, producer })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        server::local_address(&self.listener)
    }

    /// The next offset to apply, as it moves: below it, everything is durable.
    pub fn applied(&self) -> watch::Receiver<i64> {
        self.status.next_offset()
    }

    /// Whether it is ready.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Works until `shutdown`, or until it cannot go on: then an error.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let monitor = Monitor::new(&self.config, Arc::clone(&self.status));
        let (router, _) = http::router(self.readiness, monitor);
        let follow = tokio::spawn(follow_broker(self.producer.state(), Arc::clone(&self.status)));
        let supervisor = Supervisor {
            config: self.config,
            status: self.status,
            producer: self.producer.clone(),
            runtime: tokio::runtime::Handle::current(),
            shutdown: shutdown.clone(),
        };
        let (done, mut ended) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let span = tracing::info_span!("listener", service = SERVICE);
            let _ = done.send(span.in_scope(|| supervisor.run()));
        })?;
        let served = tokio::spawn(server::serve(self.listener, router, shutdown));
        // A sender that is gone without a word is a thread that panicked.
        let ended = tokio::select! {
            ended = &mut ended => ended,
            _ = served => ended.await,
        };
        follow.abort();
        ended.unwrap_or_else(|_| Err(anyhow::anyhow!("the writer's thread panicked")))
    }
}

fn refuse_if_held(config: &Config) -> anyhow::Result<()> {
    // What cannot be opened is not held; the supervisor says what is wrong with it.
    let Ok(connection) = database::open_read_only(&config.sqlite_path) else { return Ok(()) };
    match crate::lease::running_holder(&connection) {
        Ok(Some(holder)) => Err(held_by(config, &holder).into()),
        Ok(None) | Err(_) => Ok(()),
    }
}

async fn follow_broker(mut state: watch::Receiver<BrokerState>, status: Arc<Status>) {
    loop {
        let now = state.borrow_and_update().clone();
        match now {
            BrokerState::Up => status.tell(BROKER, Condition::Up, "connected"),
            BrokerState::Down(reason) => status.tell(BROKER, Condition::Down, reason),
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}
