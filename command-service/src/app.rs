//! Putting the service together, and its life: serve, drain, flush, end.

use std::net::SocketAddr;
use std::time::Duration;

use kafka::{Patience, Producer};
use shared::http::context::InContext;
use shared::http::health::Readiness;
use shared::http::server;
use shared::lifecycle::Shutdown;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tracing::Instrument;

use crate::config::Config;
use crate::http::{self, Writes};
use crate::log::{BROKER, BrokerWatch, CommandLog, LogLost};

const SERVICE: &str = "command-service";

/// The service, bound to its port and not serving yet.
pub struct App {
    listener: TcpListener,
    router: InContext,
    readiness: Readiness,
    producer: Producer,
    broker: BrokerWatch,
    drain: Duration,
}

impl App {
    /// Binds the port and begins to connect; the broker need not be there yet.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let listener = server::bind(&config.host, config.port, "COMMAND_PORT").await?;
        let producer = Producer::for_groups(&config.kafka, &config.topics.commands, Patience::Short)?;
        let log = CommandLog::new(producer.clone(), &config.topics.commands, config.ack_wait, config.applied);
        let readiness = Readiness::new(SERVICE, &[BROKER]);
        let broker = BrokerWatch::new(&log, readiness.clone());
        let (router, _) = http::router(readiness.clone(), Writes::new(log, config.query_base_url));
        Ok(Self { listener, router, readiness, producer, broker, drain: config.drain })
    }

    /// Whether it is ready.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        server::local_address(&self.listener)
    }

    /// Serves until `shutdown`, lets requests end, then everything that was enqueued. `Err` if the log was lost.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let span = tracing::info_span!("command", service = SERVICE);
        self.serve(shutdown).instrument(span).await
    }

    async fn serve(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self { listener, router, producer, broker, drain, .. } = self;
        let mut died = None;
        let began = {
            let serving = serve(listener, router, shutdown.clone());
            tokio::pin!(serving);
            tokio::select! {
                began = &mut serving => began,
                death = broker.run() => {
                    // What is under way gets its answer; then the process ends, so that a new one takes over.
                    tracing::error!(error = %death, "stopping");
                    died = Some(death);
                    shutdown.begin(drain);
                    serving.await
                }
            }
        };
        // Dropping a producer forgets what it has enqueued.
        let rest = drain.saturating_sub(began.elapsed());
        tokio::task::spawn_blocking(move || producer.flush(rest)).await?;
        died.map_or(Ok(()), |death: LogLost| Err(death.into()))
    }
}

/// Gives the moment when the shutdown began.
async fn serve(listener: TcpListener, router: InContext, shutdown: Shutdown) -> Instant {
    let beginning = async {
        shutdown.begun().await;
        Instant::now()
    };
    tokio::join!(beginning, server::serve(listener, router, shutdown.clone())).0
}
