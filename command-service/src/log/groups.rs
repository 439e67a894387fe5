//! Messages on their way to the broker in groups: while two are out, the next gathers.
//!
//! librdkafka sends what it has at once, a message alone if it must, and a request of its own costs as much as dozens of
//! messages. A lone message waits for nobody here either; behind it, however many come while two groups are out go
//! together. Two, for with one the broker would have nothing to do while its answers are told, and nobody would tell
//! answers while the broker has the next. Who waits for a group is woken when all of it has its reports, and one alarm
//! bounds the wait of all.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka::{Group, NotEnqueued, Prepared, Producer, STALLED_AFTER};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::NotAccepted;

/// The most that wait. Each has somebody who waits for its report, so there are hardly more than connections.
const QUEUE: usize = 20_000;
/// The most that go together.
const GROUP: usize = 1024;
/// The most that have not settled.
const GROUPS_OUT: usize = 2;

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
    entry: Box<Prepared>,
    series: Option<Series>,
    asker: Asker,
}

/// Who waits for the report of one message.
struct Asker {
    appended: oneshot::Sender<Appended>,
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
        entry: Box<Prepared>,
        series: Option<Series>,
    ) -> Result<oneshot::Receiver<Appended>, NotAccepted> {
        self.producer.accepts()?;
        let (appended, receiver) = oneshot::channel();
        let waiting = Waiting { entry, series, asker: Asker { appended, since: Instant::now() } };
        self.queue.try_send(waiting).map(|()| receiver).map_err(|_| NotEnqueued::QueueFull.into())
    }
}

impl Asker {
    fn tell(self, appended: Appended) {
        // Its client may have gone.
        let _ = self.appended.send(appended);
    }
}

impl Waiting {
    /// It is not with the broker's client, and will not be.
    fn refuse(self, why: NotAccepted) {
        if let Some(series) = &self.series {
            let _ = series.set(why.clone());
        }
        self.asker.tell(Err(why));
    }
}

impl Sending {
    async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        let mut out = JoinSet::new();
        // When each was sent that is out, the oldest first.
        let mut since = VecDeque::with_capacity(GROUPS_OUT);
        loop {
            let behind = since.front().copied().filter(|_| out.len() == GROUPS_OUT);
            tokio::select! {
                biased;
                Some(_) = out.join_next() => {
                    since.pop_front();
                }
                waiting = receive(&mut self.queue, &mut group, behind) => match behind {
                    _ if waiting == 0 => break,
                    Some(since) => {
                        let stalled = NotAccepted::from(NotEnqueued::Stalled(since.elapsed()));
                        group.drain(..).for_each(|waiting| waiting.refuse(stalled.clone()));
                    }
                    None => {
                        let sending = self.producer.group();
                        let sent = self.send(&mut group, &sending);
                        since.push_back(Instant::now());
                        out.spawn(follow(sending, sent, self.ack_wait));
                    }
                },
            }
            // Who was just told answers first, and who has a request to put, puts it: the next group is the larger.
            tokio::task::yield_now().await;
        }
        out.join_all().await;
    }

    /// Who waits for those that are with the broker's client now.
    fn send(&self, group: &mut Vec<Waiting>, out: &Group) -> Vec<Asker> {
        let refused = self.producer.accepts().map_err(NotAccepted::from).err();
        let mut sent = Vec::with_capacity(group.len());
        for waiting in group.drain(..) {
            let before = refused.clone().or_else(|| waiting.series.as_ref()?.get().cloned());
            if let Some(refused) = before {
                waiting.refuse(refused);
                continue;
            }
            // Its report says the same, and only who comes behind it must know now.
            if let (Err(refused), Some(series)) = (out.send(&self.topic, *waiting.entry), waiting.series) {
                let _ = series.set(refused.into());
            }
            sent.push(waiting.asker);
        }
        sent
    }
}

/// Tells each of a group its report; who has waited for too long is told so. Ends when all have their reports.
async fn follow(out: Group, mut sent: Vec<Asker>, ack_wait: Option<Duration>) {
    if let (Some(oldest), Some(ack_wait)) = (sent.first(), ack_wait)
        && timeout_at(oldest.since + ack_wait, out.settled()).await.is_err()
    {
        let unknown = NotAccepted::too_late("the broker has not acknowledged the command", ack_wait);
        sent.drain(..).for_each(|asker| asker.tell(Err(unknown.clone())));
    }
    out.settled().await;
    sent.into_iter().zip(out.reports()).for_each(|(asker, report)| asker.tell(report.map_err(NotAccepted::from)));
}

/// As many as there are. `behind` is since when the oldest group is out, if no more may go: who waits behind it is here only
/// to be refused, once that has been out for [`STALLED_AFTER`].
async fn receive(queue: &mut mpsc::Receiver<Waiting>, group: &mut Vec<Waiting>, behind: Option<Instant>) -> usize {
    if let Some(since) = behind {
        sleep_until(since + STALLED_AFTER).await;
    }
    queue.recv_many(group, GROUP).await
}
