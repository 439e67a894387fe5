//! Serving: bounded heads, no patience with who sends none, and a drain that lets what has begun end.

mod one_piece;
mod patience;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use self::one_piece::OnePiece;
use self::patience::{Answers, Connections, LOOKS_APART, Signs};
use super::context::InContext;
use crate::lifecycle::Shutdown;
use crate::settings::SettingsError;

const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_STREAMS: u32 = 256;
/// Below the usual bound on descriptors, which the database and the broker need too.
const MAX_CONNECTIONS: usize = 8192;
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Binds `host:port`, port 0 for any free one. `variable` is named if it cannot be had.
pub async fn bind(host: &str, port: u16, variable: &'static str) -> Result<TcpListener, SettingsError> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| SettingsError::new("HOST", format!("{host:?}: {error}")))?
        .collect();
    TcpListener::bind(addresses.as_slice())
        .await
        .map_err(|error| SettingsError::new(variable, format!("cannot listen on {host}:{port}: {error}")))
}

/// The address that a bound listener has.
pub fn local_address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound socket has an address")
}

/// Serves until `shutdown`, then lets the requests under way end, at most until its deadline.
pub async fn serve(listener: TcpListener, router: InContext, shutdown: Shutdown) {
    let mut server = Server::new(router);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut looks = patience::looks(LOOKS_APART);
    loop {
        let stream = tokio::select! {
            () = shutdown.begun() => break,
            _ = looks.tick() => {
                server.connections.look();
                continue;
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, say: those who are connected go on, and so do we.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            },
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(MAX_CONNECTIONS, "too many connections; one more is closed");
            continue;
        };
        server.open(stream, place);
    }
    drop(listener);
    tokio::select! {
        () = server.graceful.shutdown() => {}
        () = shutdown.deadline() => tracing::warn!("requests were still under way at the deadline"),
    }
}

/// What serves connections, and those that are open.
struct Server {
    builder: Builder<TokioExecutor>,
    router: InContext,
    graceful: GracefulShutdown,
    connections: Connections,
}

impl Server {
    fn new(router: InContext) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        // Who sends no head is found among the connections.
        builder.http1().header_read_timeout(None).max_buf_size(MAX_HEADER_BYTES);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
        Self { builder, router, graceful: GracefulShutdown::new(), connections: Connections::default() }
    }

    /// Serves one more, which keeps `place` while it is open.
    fn open(&mut self, stream: TcpStream, place: impl Send + 'static) {
        // Answers are small and complete: waiting to fill a packet only adds latency.
        let _ = stream.set_nodelay(true);
        let signs = Arc::new(Signs::new());
        let seen = Arc::downgrade(&signs);
        let answers = Answers::new(self.router.clone(), Arc::clone(&signs));
        let stream = TokioIo::new(OnePiece::new(stream, signs));
        let connection = self.graceful.watch(self.builder.serve_connection(stream, answers).into_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
        self.connections.add(&seen, serving.abort_handle());
    }
}

#[cfg(test)]
mod tests;
