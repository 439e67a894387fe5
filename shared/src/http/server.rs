//! Serving: bounded header reads, and a drain that lets what has begun end.

mod one_piece;
mod timer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::one_piece::OnePiece;
use self::timer::ConnectionTimer;
use super::context::InContext;
use crate::lifecycle::Shutdown;
use crate::settings::SettingsError;

/// A client that takes longer to send its headers is cut off (slowloris).
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
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
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().header_read_timeout(HEADER_READ_TIMEOUT).max_buf_size(MAX_HEADER_BYTES);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
    let service = TowerToHyperService::new(router);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = tokio::select! {
            () = shutdown.begun() => break,
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
        // Answers are small and complete: waiting to fill a packet only adds latency.
        let _ = stream.set_nodelay(true);
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(MAX_CONNECTIONS, "too many connections; one more is closed");
            continue;
        };
        let (mut builder, service, watcher) = (builder.clone(), service.clone(), graceful.watcher());
        builder.http1().timer(ConnectionTimer::default());
        tokio::spawn(async move {
            // Until the first byte hyper does not even know which protocol it is, and keeps no time.
            if !matches!(tokio::time::timeout(HEADER_READ_TIMEOUT, stream.readable()).await, Ok(Ok(()))) {
                return;
            }
            let connection = builder.serve_connection(TokioIo::new(OnePiece(stream)), service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = shutdown.deadline() => tracing::warn!("requests were still under way at the deadline"),
    }
}
