//! Messages on their way to the broker in groups: while one is out, the next gathers.
//!
//! librdkafka sends what it has at once, a message alone if it must, and a request of its own costs as much as dozens of
//! messages. A lone message waits for nobody here either; behind it, however many come while it is out go together.

use std::sync::{Arc, OnceLock};

use kafka::{Delivery, NotEnqueued, Producer, Reporter};
use tokio::sync::mpsc;

use crate::message::Entry;

/// The most that wait. Each has somebody who waits for its report, so there are hardly more than connections.
const QUEUE: usize = 20_000;
/// The most that go together.
const GROUP: usize = 1024;

/// Why one of several messages was refused, if one was: those behind it are not sent then.
pub(super) type Series = Arc<OnceLock<NotEnqueued>>;

/// The end that takes messages; with it the sending ends.
pub(super) struct Groups {
    producer: Producer,
    topic: Arc<str>,
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    entry: Box<Entry>,
    reporter: Reporter,
    series: Option<Series>,
}

impl Groups {
    /// Must be called inside a runtime.
    pub(super) fn to(producer: Producer, topic: Arc<str>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(send(producer.clone(), Arc::clone(&topic), waiting));
        Self { producer, topic, queue }
    }

    /// Puts one message in the queue. With `Err` it is not there, and will not be on the log.
    pub(super) fn put(&self, entry: Box<Entry>, series: Option<Series>) -> Result<Delivery, NotEnqueued> {
        self.producer.accepts()?;
        let (reporter, delivery) = Delivery::to_come(&self.topic);
        let waiting = Waiting { entry, reporter, series };
        self.queue.try_send(waiting).map(|()| delivery).map_err(|_| NotEnqueued::QueueFull)
    }
}

async fn send(producer: Producer, topic: Arc<str>, mut queue: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        let accepts = producer.accepts();
        for Waiting { entry, reporter, series } in group.drain(..) {
            let sent = match accepts.as_ref().err().or_else(|| series.as_ref()?.get()) {
                Some(refused) => {
                    reporter.refuse(refused);
                    Err(refused.clone())
                }
                None => producer.send_reporting(entry.outgoing(&topic), reporter),
            };
            if let (Err(refused), Some(series)) = (sent, series) {
                let _ = series.set(refused);
            }
        }
        producer.settled().await;
    }
}
