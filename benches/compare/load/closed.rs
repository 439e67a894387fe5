//! Closed loop: each connection sends its next request when it has the answer. Says how many answers a second.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::per_second;

/// Of the load. With one, the load would be at its end before the quickest floor is.
const THREADS: usize = 2;
/// So many runs that are no faster than one before, by more than this, are steady.
const STEADY: u32 = 4;
const FASTER: f64 = 1.03;
const MOST_UNTIL_STEADY: u32 = 60;
/// A server that hangs ends the run.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to send, and to whom.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// Each request is one of these, drawn at random.
    pub(crate) requests: Arc<[Vec<u8>]>,
    /// Of every answer.
    pub(crate) status: u16,
    pub(crate) connections: usize,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) answers: u64,
    pub(crate) per_second: f64,
}

impl Load {
    /// All connections are open before the first request is sent.
    pub(crate) fn run(&self, time: Duration) -> anyhow::Result<Answered> {
        let start = Barrier::new(THREADS);
        let threads = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let start = &start;
                    scope.spawn(move || self.thread(thread, start, time))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a load does not panic"))
                .collect::<anyhow::Result<Vec<_>>>()
        })?;
        let answers = threads.iter().map(|(answers, _)| answers).sum();
        let took = threads.iter().map(|(_, took)| *took).max().unwrap_or_default();
        Ok(Answered { answers, per_second: per_second(answers, took) })
    }

    /// Runs until several runs were no faster than the fastest before: the JVM goes on compiling what it has done thousands of
    /// times, for some seconds on one machine and for minutes on another.
    pub(crate) fn run_until_steady(&self, each: Duration) -> anyhow::Result<()> {
        let (mut fastest, mut no_faster) = (0.0, 0);
        for _ in 0..MOST_UNTIL_STEADY {
            let a_second = self.run(each)?.per_second;
            if a_second > fastest * FASTER {
                (fastest, no_faster) = (a_second, 0);
            } else {
                no_faster += 1;
            }
            if no_faster == STEADY {
                break;
            }
        }
        Ok(())
    }

    fn thread(&self, thread: usize, start: &Barrier, time: Duration) -> anyhow::Result<(u64, Duration)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let open = async {
            let mut connections = Vec::new();
            for _ in (thread..self.connections).step_by(THREADS) {
                connections.push(Connection::open(self.address).await?);
            }
            anyhow::Ok(connections)
        };
        let opened = runtime.block_on(open);
        // Also if it failed, for the others wait.
        start.wait();
        let started = Instant::now();
        let mut loops = JoinSet::new();
        for connection in opened? {
            let looping = asked(connection, Arc::clone(&self.requests), self.status, started + time);
            loops.spawn_on(looping, runtime.handle());
        }
        let answers = async {
            let mut answers = 0;
            while let Some(done) = loops.join_next().await {
                answers += done.context("a load panicked")??;
            }
            anyhow::Ok(answers)
        };
        let answers = runtime.block_on(async { tokio::time::timeout(time + PATIENCE, answers).await })??;
        Ok((answers, started.elapsed()))
    }
}

async fn asked(
    mut connection: Connection,
    requests: Arc<[Vec<u8>]>,
    status: u16,
    until: Instant,
) -> anyhow::Result<u64> {
    let mut random = fastrand::Rng::new();
    let mut answers = 0;
    while Instant::now() < until {
        connection.exchange(&requests[random.usize(..requests.len())], status).await?;
        answers += 1;
    }
    Ok(answers)
}
