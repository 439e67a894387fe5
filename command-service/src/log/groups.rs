//! Messages on their way to the broker in groups: while one is out, the next gathers.
//!
//! librdkafka sends what it has at once, a message alone if it must, and a request of its own costs as much as dozens of
//! messages. A lone message waits for nobody here either; behind it, however many come while it is out go together. Who
//! waits for a group is woken when all of it has its reports, and one alarm bounds the wait of all.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka::{Group, NotEnqueued, Producer, STALLED_AFTER};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::NotAccepted;
use crate::message::Entry;

/// The most that wait. Each has somebody who waits for its report, so there are hardly more than connections.
const QUEUE: usize = 20_000;
/// The most that go together.
const GROUP: usize = 1024;

/// Why one of several messages was refused, if one was: those behind it are not sent then.
pub(super) type Series = Arc<OnceLock<NotAccepted>>;
/// The offset that the broker told, unless it knew the message already.
pub(super) type Appended = Result<Option<i64>, NotAccepted>;

/// The end that takes messages; with it the sending ends.
pub(super) struct Groups {
    producer: Producer,
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    entry: Box<Entry>,
    appended: oneshot::Sender<Appended>,
    series: Option<Series>,
    since: Instant,
}

struct Sending {
    producer: Producer,
    topic: Arc<str>,
    ack_wait: Option<Duration>,
    queue: mpsc::Receiver<Waiting>,
}

impl Groups {
    /// `ack_wait` is how long a message waits for its report at most; without it, until it is there. Must be called inside
    /// a runtime.
    pub(super) fn to(producer: Producer, topic: Arc<str>, ack_wait: Option<Duration>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        tokio::spawn(Sending { producer: producer.clone(), topic, ack_wait, queue }.run());
        Self { producer, queue: sender }
    }

    /// Puts one message in the queue. With `Err` it is not there, and will not be on the log.
    pub(super) fn put(
        &self,
        entry: Box<Entry>,
        series: Option<Series>,
    ) -> Result<oneshot::Receiver<Appended>, NotAccepted> {
        self.producer.accepts()?;
        let (appended, receiver) = oneshot::channel();
        let waiting = Waiting { entry, appended, series, since: Instant::now() };
        self.queue.try_send(waiting).map(|()| receiver).map_err(|_| NotEnqueued::QueueFull.into())
    }
}

impl Waiting {
    fn tell(self, appended: Appended) {
        // Its client may have gone.
        let _ = self.appended.send(appended);
    }

    /// It is not with the broker's client, and will not be.
    fn refuse(self, why: NotAccepted) {
        if let Some(series) = &self.series {
            let _ = series.set(why.clone());
        }
        self.tell(Err(why));
    }
}

impl Sending {
    async fn run(mut self) {
        let producer = self.producer.clone();
        let mut group = Vec::with_capacity(GROUP);
        while self.queue.recv_many(&mut group, GROUP).await > 0 {
            let out = producer.group();
            let sent = self.send(&mut group, &out);
            self.follow(&out, sent).await;
            // Who was just told answers first, and who has a request to put, puts it: the next group is the larger.
            tokio::task::yield_now().await;
        }
    }

    /// Those that are with the broker's client now.
    fn send(&self, group: &mut Vec<Waiting>, out: &Group<'_>) -> Vec<Waiting> {
        let refused = self.producer.accepts().map_err(NotAccepted::from).err();
        let mut sent = Vec::with_capacity(group.len());
        for waiting in group.drain(..) {
            let before = refused.clone().or_else(|| waiting.series.as_ref()?.get().cloned());
            if let Some(refused) = before {
                waiting.refuse(refused);
                continue;
            }
            // Its report says the same, and only who comes behind it must know now.
            if let (Err(refused), Some(series)) = (out.send(waiting.entry.outgoing(&self.topic)), &waiting.series) {
                let _ = series.set(refused.into());
            }
            sent.push(waiting);
        }
        sent
    }

    /// Until the group has its reports: no message is sent before. Who has waited for too long is told so, and what waits
    /// behind a group that is out for [`STALLED_AFTER`] is refused.
    async fn follow(&mut self, out: &Group<'_>, mut sent: Vec<Waiting>) {
        let Some(oldest) = sent.first().map(|waiting| waiting.since) else { return };
        let began = Instant::now();
        let ack_wait = self.ack_wait;
        let too_late = async move {
            let Some(ack_wait) = ack_wait else { return std::future::pending().await };
            sleep_until(oldest + ack_wait).await;
            NotAccepted::too_late("the broker has not acknowledged the command", ack_wait)
        };
        let stalled = sleep_until(began + STALLED_AFTER);
        tokio::pin!(too_late, stalled);
        loop {
            tokio::select! {
                biased;
                reports = out.settled() => {
                    let each = sent.into_iter().zip(reports);
                    return each.for_each(|(waiting, report)| waiting.tell(report.map_err(NotAccepted::from)));
                }
                unknown = &mut too_late, if !sent.is_empty() => {
                    sent.drain(..).for_each(|waiting| waiting.tell(Err(unknown.clone())));
                }
                () = &mut stalled, if began.elapsed() < STALLED_AFTER => {}
                Some(behind) = self.queue.recv(), if began.elapsed() >= STALLED_AFTER => {
                    behind.refuse(NotEnqueued::Stalled(began.elapsed()).into());
                }
            }
        }
    }
}
