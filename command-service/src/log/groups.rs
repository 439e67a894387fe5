//! Messages on their way to the broker in groups: while one is out, the next gathers.
//!
//! A request to the broker costs as much as dozens of messages. A lone message waits for nobody; behind it, however many
//! come while a group is out go together. One group, for librdkafka has one request at a time on its way anyway, and looks
//! for its answer without a pause while more is there to send (docs/adr/0020). Behind it the next one waits for those who
//! were there a moment ago (docs/adr/0023). Who waits for a group is woken when all of it has its reports, and one alarm
//! bounds the wait of all.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kafka::{Group, NotEnqueued, Prepared, Producer, STALLED_AFTER};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::NotAccepted;
use super::crowd::Crowd;

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
        let mut crowd = Crowd::none();
        while self.queue.recv_many(&mut group, GROUP).await > 0 {
            crowd.gather(&mut self.queue, &mut group).await;
            let out = self.producer.group(group.len());
            let sent = self.send(&mut group, &out);
            out.go().await;
            let since = Instant::now();
            let gone = sent.len();
            let sent = self.settled(&out, sent, since).await;
            // Before they are told: whoever sends the next one then must not be counted twice.
            crowd.seen(since, gone + self.queue.len());
            sent.into_iter()
                .zip(out.reports())
                .for_each(|(asker, report)| asker.tell(report.map_err(NotAccepted::from)));
        }
    }

    /// Those of a group that still wait when all of it has its reports. Who comes behind a group that is out for too long is
    /// refused meanwhile.
    async fn settled(&mut self, out: &Group, sent: Vec<Asker>, since: Instant) -> Vec<Asker> {
        let mut behind = Vec::new();
        let mut following = pin!(follow(out, sent, self.ack_wait));
        loop {
            tokio::select! {
                biased;
                sent = &mut following => return sent,
                1.. = receive_behind(&mut self.queue, &mut behind, since) => {
                    let stalled = NotAccepted::from(NotEnqueued::Stalled(since.elapsed()));
                    behind.drain(..).for_each(|waiting| waiting.refuse(stalled.clone()));
                }
            }
        }
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

/// Waits until all of a group have their reports, and returns who is to be told; who has waited for too long is told so before.
async fn follow(out: &Group, mut sent: Vec<Asker>, ack_wait: Option<Duration>) -> Vec<Asker> {
    if let (Some(oldest), Some(ack_wait)) = (sent.first(), ack_wait)
        && timeout_at(oldest.since + ack_wait, out.settled()).await.is_err()
    {
        let unknown = NotAccepted::too_late("the broker has not acknowledged the command", ack_wait);
        sent.drain(..).for_each(|asker| asker.tell(Err(unknown.clone())));
    }
    out.settled().await;
    sent
}

/// As many as wait behind a group that is out since then, once that is for [`STALLED_AFTER`]: they are here only to be refused.
async fn receive_behind(queue: &mut mpsc::Receiver<Waiting>, group: &mut Vec<Waiting>, since: Instant) -> usize {
    sleep_until(since + STALLED_AFTER).await;
    queue.recv_many(group, GROUP).await
}
