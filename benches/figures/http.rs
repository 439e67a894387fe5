//! Load over HTTP/1.1 with connections that stay open: closed loop for rates, open loop for latencies.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One connection.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

/// What to send again and again.
#[derive(Clone)]
pub(crate) struct Shot {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) status: u16,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// The body of the answer; an error unless it has the status.
    pub(crate) async fn send(&mut self, shot: &Shot) -> anyhow::Result<(Bytes, Option<String>)> {
        let request = Request::builder()
            .method(&shot.method)
            .uri(&shot.path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(shot.body.clone()))?;
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status().as_u16();
        let token =
            answer.headers().get("x-consistency-token").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status == shot.status, "{} answered {status}: {}", shot.path, String::from_utf8_lossy(&body));
        Ok((body, token))
    }
}

/// Answers a second, closed loop: each connection sends its next request when it has the answer.
pub(crate) async fn rate(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    shot: impl Fn(u64) -> Shot + Clone + Send + 'static,
) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut loops = JoinSet::new();
    for connection in 0..connections as u64 {
        let shot = shot.clone();
        loops.spawn(async move {
            let mut open = Connection::open(address).await?;
            let mut answers = 0_u64;
            while started.elapsed() < time {
                open.send(&shot(connection * 1_000_003 + answers)).await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = 0;
    while let Some(done) = loops.join_next().await {
        answers += done.context("a load loop panicked")??;
    }
    Ok(per_second(answers, started.elapsed()))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
