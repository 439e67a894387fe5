//! Putting the service together, and its life: the follower's thread and the server end together, and either one
//! ending by itself is an error.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use shared::http::health::Readiness;
use shared::http::server;
use shared::lifecycle::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::config::Config;
use crate::follower::{FollowError, Follower};
use crate::following::Following;
use crate::http::{self, Api};
use crate::model::ReadModel;
use crate::source::Source;

/// Before this one, a writer and another process's checkpoint can race and lose commits (sqlite.org/wal.html).
const OLDEST_SQLITE: i32 = 3_051_003;
const SERVICE: &str = "query-service";

/// A service that is bound to its port and does not run yet.
#[derive(Debug)]
pub struct App {
    listener: TcpListener,
    model: Arc<ReadModel>,
    following: Arc<Following>,
    follower: Follower,
    readiness: Readiness,
    config: Config,
}

impl App {
    /// Binds the port; a taken one is an error that names `QUERY_PORT`. The database is not needed yet.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        ensure!(rusqlite::version_number() >= OLDEST_SQLITE, "SQLite {} is too old", rusqlite::version());
        let listener = server::bind(&config.host, config.port, "QUERY_PORT").await?;
        let readiness = Readiness::new(SERVICE, &["database"]);
        let following = Arc::new(Following::new());
        let follower = Follower::new(config.sqlite_path.clone(), Arc::clone(&following), readiness.clone());
        let source = Source::new(&config.sqlite_path);
        let model = Arc::new(ReadModel::new(source, Arc::clone(&following), &config));
        Ok(Self { listener, model, following, follower, readiness, config })
    }

    /// Whether it is ready.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        server::local_address(&self.listener)
    }

    /// Serves until `shutdown`. An error if the follower ends before.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let api = Api {
            model: self.model,
            shutdown: shutdown.clone(),
            read_wait: self.config.read_wait,
            retention: self.config.retention,
        };
        let (router, _) = http::router(api, self.readiness);
        let mut ended = spawn(self.follower)?;
        tokio::select! {
            () = server::serve(self.listener, router, shutdown) => {}
            end = &mut ended => return Err(died(end)),
        }
        self.following.stop();
        match ended.await {
            Ok(Ok(())) => Ok(()),
            end => Err(died(end)),
        }
    }
}

type End = Result<(), FollowError>;

/// Its own thread: it looks at the database all the time, and a runtime's threads may not block.
fn spawn(mut follower: Follower) -> anyhow::Result<oneshot::Receiver<End>> {
    let (tell, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("follower".to_owned())
        .spawn(move || {
            let span = tracing::info_span!("follower", service = SERVICE);
            let _ = tell.send(span.in_scope(|| follower.run()));
        })
        .context("cannot start the follower's thread")?;
    Ok(ended)
}

fn died(end: Result<End, oneshot::error::RecvError>) -> anyhow::Error {
    match end {
        Ok(Err(error)) => anyhow::Error::new(error).context("the follower of the journal ended"),
        Ok(Ok(())) | Err(_) => anyhow::anyhow!("the follower of the journal ended"),
    }
}
