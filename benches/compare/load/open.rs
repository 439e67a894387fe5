//! Open loop: each request is due at its time, whether the ones before are answered or not.
//!
//! A latency is counted from when the request was due, so that one which had to wait behind a slow answer counts in full.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::alarm::Alarm;
use super::connection::Connection;
use super::{latencies, micros};

/// What is still under way so long after the end is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to send, to whom, and how often.
#[derive(Clone)]
pub(crate) struct Stream {
    /// Connections are shared out among these.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Each request is one of these, drawn at random.
    pub(crate) requests: Arc<[Vec<u8>]>,
    /// Of every answer.
    pub(crate) status: u16,
    pub(crate) connections: u32,
    /// Of all connections together.
    pub(crate) per_second: u32,
}

impl Stream {
    /// Microseconds from due to answered, of each.
    pub(crate) fn run(&self, time: Duration) -> anyhow::Result<Histogram<u64>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { tokio::time::timeout(time + PATIENCE, self.lanes(time)).await })?
    }

    async fn lanes(&self, time: Duration) -> anyhow::Result<Histogram<u64>> {
        let mut open = Vec::new();
        for (_, &address) in (0..self.connections).zip(self.addresses.iter().cycle()) {
            open.push(Connection::open(address).await?);
        }
        let start = Instant::now();
        let mut lanes = JoinSet::new();
        for (lane, connection) in (0..).zip(open) {
            lanes.spawn(self.clone().lane(connection, start, lane, time));
        }
        let mut all = latencies();
        while let Some(lane) = lanes.join_next().await {
            all.add(lane.context("a lane panicked")??)?;
        }
        Ok(all)
    }

    async fn lane(
        self,
        mut connection: Connection,
        start: Instant,
        lane: u32,
        time: Duration,
    ) -> anyhow::Result<Histogram<u64>> {
        let between = Duration::from_secs(1) / self.per_second;
        let (alarm, mut random) = (Alarm::new()?, fastrand::Rng::new());
        let mut lane_of = latencies();
        let mut due = start + between * lane;
        while due < start + time {
            alarm.until(due).await?;
            connection.exchange(&self.requests[random.usize(..self.requests.len())], self.status).await?;
            lane_of.record(micros(due.elapsed()))?;
            due += between * self.connections;
        }
        Ok(lane_of)
    }
}
