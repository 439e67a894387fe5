//! Putting the service together, and its life: what follows the journal and the server end together, and either one
//! ending by itself is an error.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use shared::http::health::Readiness;
use shared::http::server;
use shared::lifecycle::Shutdown;
use shared::settings::SettingsError;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::announcements::{Announcements, REDIS};
use crate::config::Config;
use crate::follower::bell::Bell;
use crate::follower::{DATABASE, Follower};
use crate::following::{FollowError, Following};
use crate::http::{self, Api};
use crate::model::watch::Watch;
use crate::model::{ReadModel, Sources};
use crate::redis_model::RedisModel;
use crate::source::Source;

/// Before this one, a writer and another process's checkpoint can race and lose commits (sqlite.org/wal.html).
const OLDEST_SQLITE: i32 = 3_051_003;
const SERVICE: &str = "query-service";
/// Of documents that are read together; what else is read needs connections, too.
const TRANSACTIONS_AT_ONCE: usize = 2;

/// A service that is bound to its port and does not run yet.
#[derive(Debug)]
pub struct App {
    listener: TcpListener,
    model: Arc<ReadModel>,
    following: Arc<Following>,
    follows: Follows,
    redis: Option<Arc<RedisModel>>,
    readiness: Readiness,
    config: Config,
}

/// By what the journal is followed.
#[derive(Debug)]
enum Follows {
    Database(Box<Follower>),
    Announcements(Announcements),
}

impl App {
    /// Binds the port; a taken one is an error that names `QUERY_PORT`. Neither the database nor Redis need be there
    /// yet.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        ensure!(rusqlite::version_number() >= OLDEST_SQLITE, "SQLite {} is too old", rusqlite::version());
        let listener = server::bind(&config.host, config.port, "QUERY_PORT").await?;
        let is_only_source = config.sqlite_path.is_none();
        let redis = config.redis.clone().map(|address| RedisModel::new(address, is_only_source)).transpose();
        let redis = redis.map_err(|error| SettingsError::new("REDIS_HOST", error.to_string()))?.map(Arc::new);
        let mut dependencies = Vec::new();
        dependencies.extend(redis.as_ref().map(|_| REDIS));
        dependencies.extend(config.sqlite_path.as_ref().map(|_| DATABASE));
        let readiness = Readiness::new(SERVICE, &dependencies);
        let (following, follows) = follow(&config, redis.as_ref(), &readiness)?;
        let surprise = match &follows {
            Follows::Database(_) => Arc::default(),
            Follows::Announcements(announcements) => Arc::clone(&announcements.surprise),
        };
        let sources = Sources { redis: redis.clone(), database: config.sqlite_path.as_deref().map(Source::new) };
        let model = Arc::new(ReadModel::new(sources, Arc::clone(&following), surprise, &config));
        Ok(Self { listener, model, following, follows, redis, readiness, config })
    }

    /// Whether it is ready.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        server::local_address(&self.listener)
    }

    /// Serves until `shutdown`. An error if what follows the journal ends before.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let api = Api {
            model: Arc::clone(&self.model),
            shutdown: shutdown.clone(),
            read_wait: self.config.read_wait,
            retention: self.config.retention,
        };
        let (router, _) = http::router(api, self.readiness.clone());
        // Ends with this function.
        let mut beside = JoinSet::new();
        let connected = Arc::new(Notify::new());
        if let Some(redis) = &self.redis {
            let (redis, connected) = (Arc::clone(redis), Arc::clone(&connected));
            beside.spawn(async move { redis.keep_open(|| connected.notify_one()).await });
        }
        let mut ended = match self.follows {
            Follows::Database(follower) => {
                for _ in 0..TRANSACTIONS_AT_ONCE {
                    let model = Arc::clone(&self.model);
                    beside.spawn(async move { model.read_together().await });
                }
                if let Some(redis) = self.redis {
                    beside.spawn(Watch { model: self.model, redis, connected, readiness: self.readiness }.run());
                }
                on_thread(follower)?
            }
            Follows::Announcements(announcements) => {
                let (tell, ended) = oneshot::channel();
                beside.spawn(async move { drop(tell.send(Err(announcements.run().await))) });
                ended
            }
        };
        tokio::select! {
            () = server::serve(self.listener, router, shutdown) => {}
            end = &mut ended => return Err(died(end)),
        }
        if self.config.sqlite_path.is_none() {
            return Ok(());
        }
        self.following.stop();
        match ended.await {
            Ok(Ok(())) => Ok(()),
            end => Err(died(end)),
        }
    }
}

/// The file tells most, so it is followed where there is one.
fn follow(
    config: &Config,
    redis: Option<&Arc<RedisModel>>,
    readiness: &Readiness,
) -> anyhow::Result<(Arc<Following>, Follows)> {
    if let Some(path) = &config.sqlite_path {
        let following = Arc::new(Following::of_database());
        let follower = Follower::new(path.clone(), Arc::clone(&following), readiness.clone());
        return Ok((following, Follows::Database(Box::new(follower))));
    }
    let redis = redis.context("there is neither a database nor a Redis to read from")?;
    let following = Arc::new(Following::of_announcements());
    let announcements = Announcements::new(Arc::clone(redis), Arc::clone(&following), readiness.clone());
    Ok((following, Follows::Announcements(announcements)))
}

type End = Result<(), FollowError>;

/// Its own thread: it looks at the database all the time, and a runtime's threads may not block.
fn on_thread(mut follower: Box<Follower>) -> anyhow::Result<oneshot::Receiver<End>> {
    let (tell, ended) = oneshot::channel();
    let bell = Arc::new(Bell::new().context("the follower cannot be called")?);
    std::thread::Builder::new()
        .name("follower".to_owned())
        .spawn(move || {
            let span = tracing::info_span!("follower", service = SERVICE);
            let _ = tell.send(span.in_scope(|| follower.run(&bell)));
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
