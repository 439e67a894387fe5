//! The one connection to Redis, and the breaker: a call that fails or takes too long ends the connection, and until
//! there is another one no request waits for Redis.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult};
use shared::settings::RedisAddress;
use tokio::sync::{Notify, watch};

use super::Miss;

/// The longest that a request waits for Redis. A healthy one answers in a fraction of a millisecond.
const CALL_TIMEOUT: Duration = Duration::from_millis(30);
/// The same for who has nothing else to read from: a stall of this host, and not of Redis, should not be an error.
const ONLY_CALL_TIMEOUT: Duration = Duration::from_millis(100);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A connection that was lost is replaced at once if it lasted this long, else after [`PAUSE`].
const LASTING: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// Who has nothing else to read from waits this long for the next connection, if the last one was lost less than
/// [`RECENT`] ago.
const RECONNECT_WAIT: Duration = Duration::from_millis(30);
const RECENT: Duration = Duration::from_millis(100);

/// Shared by all requests; [`Link::keep_open`] runs beside them.
pub(super) struct Link {
    address: RedisAddress,
    client: Client,
    /// Whether there is nothing else to read from.
    is_only_source: bool,
    open: watch::Sender<Option<Open>>,
    lost_at: Mutex<Option<Instant>>,
    /// Why there is no connection.
    trouble: Mutex<String>,
    lost: Notify,
}

/// One connection.
#[derive(Clone)]
struct Open {
    connection: MultiplexedConnection,
    /// `run_id` of the process at the other end. It cannot change while the connection lasts.
    run: Arc<str>,
    since: Instant,
}

/// What a call answered, and who did.
pub(super) struct Answer<T> {
    pub(super) run: Arc<str>,
    /// Before the call.
    pub(super) began: Instant,
    pub(super) value: T,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects to nothing yet. An address that cannot be one is an error.
    pub(super) fn new(address: RedisAddress, is_only_source: bool) -> RedisResult<Self> {
        let mut settings = RedisConnectionInfo::default().set_db(address.database);
        if let Some(password) = &address.password {
            settings = settings.set_password(password);
        }
        let place = ConnectionAddr::Tcp(address.host.clone(), address.port);
        let client = Client::open(place.into_connection_info()?.set_redis_settings(settings))?;
        Ok(Self {
            address,
            client,
            is_only_source,
            open: watch::Sender::new(None),
            lost_at: Mutex::default(),
            trouble: Mutex::default(),
            lost: Notify::new(),
        })
    }

    /// Where it leads.
    pub(super) fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// A connection that only listens.
    pub(super) async fn subscribe(&self, channel: &str) -> RedisResult<redis::aio::PubSub> {
        let subscribing = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(channel).await?;
            Ok(subscription)
        };
        tokio::time::timeout(CONNECT_TIMEOUT, subscribing).await.unwrap_or_else(|_| Err(too_late()))
    }

    /// Makes one call on the open connection. If it fails or is not answered in time, the connection is given up.
    pub(super) async fn call<T, F>(&self, call: impl Fn(MultiplexedConnection) -> F) -> Result<Answer<T>, Miss>
    where
        F: Future<Output = RedisResult<T>>,
    {
        match self.call_once(&call).await {
            Err(Miss::Unreachable) if self.is_only_source && self.is_back_soon().await => self.call_once(&call).await,
            answer => answer,
        }
    }

    async fn call_once<T, F>(&self, call: &impl Fn(MultiplexedConnection) -> F) -> Result<Answer<T>, Miss>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let began = Instant::now();
        let open = self.open.borrow().clone();
        let Some(Open { connection, run, .. }) = open else { return Err(Miss::Unreachable) };
        let patience = if self.is_only_source { ONLY_CALL_TIMEOUT } else { CALL_TIMEOUT };
        let answer = tokio::time::timeout(patience, call(connection)).await.unwrap_or_else(|_| Err(too_late()));
        answer.map(|value| Answer { run: Arc::clone(&run), began, value }).map_err(|error| {
            self.lose(&run, began, &error);
            Miss::Unreachable
        })
    }

    async fn is_back_soon(&self) -> bool {
        let lost_at = *self.lost_at.lock().unwrap_or_else(PoisonError::into_inner);
        if lost_at.is_none_or(|at| at.elapsed() > RECENT) {
            return false;
        }
        let mut open = self.open.subscribe();
        tokio::time::timeout(RECONNECT_WAIT, open.wait_for(Option::is_some)).await.is_ok()
    }

    /// Why there was no connection last.
    pub(super) fn trouble(&self) -> String {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connects whenever there is no connection; `connected` is told of each one.
    pub(super) async fn keep_open(&self, connected: impl Fn()) {
        loop {
            match self.connect().await {
                Ok(open) => {
                    let since = open.since;
                    self.open.send_replace(Some(open));
                    connected();
                    self.lost.notified().await;
                    if since.elapsed() < LASTING {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Err(error) => {
                    self.note(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn connect(&self) -> RedisResult<Open> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CONNECT_TIMEOUT));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&settings).await?;
        let server: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let run = server.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        Ok(Open { connection, run: run.trim().into(), since: Instant::now() })
    }

    fn note(&self, error: &redis::RedisError) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
    }

    /// Ends the connection that the call was made on, unless there is another one already.
    fn lose(&self, run: &Arc<str>, began: Instant, error: &redis::RedisError) {
        let end = |open: &mut Option<Open>| open.take_if(|open| Arc::ptr_eq(&open.run, run)).is_some();
        if self.open.send_if_modified(end) {
            *self.lost_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            metrics::counter!("inventory_redis_breaks_total").increment(1);
            let waited_ms = began.elapsed().as_millis();
            self.note(error);
            tracing::warn!(address = %self.address, %error, waited_ms, "Redis failed; it is left out until it answers");
            self.lost.notify_one();
        }
    }
}

fn too_late() -> redis::RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time").into()
}
