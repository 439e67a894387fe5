//! The simulated topics, and the way there: it fails, is cut in the middle of a batch, and loses acknowledgements.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use kafka::{DeliveryFailure, Header, NotEnqueued, Outgoing};
use listener_service::clock::Killed;
use listener_service::publisher::Sends;

use crate::log::Shared;
use crate::plant::Plant;

/// A dead letter with a greater value is refused.
pub(crate) const LARGEST: usize = 2000;
pub(crate) const DLQ: &str = "inventory.dlq";
/// Where a batch is cut: on all topics, or on one while the others go on.
pub(crate) const CUT: [Option<&str>; 4] = [None, Some("inventory.items"), Some("inventory.stock"), Some(DLQ)];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<Header>,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rfind(|(header, _)| header == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }
}

/// What becomes of what is in flight next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// Of those to one topic, or to all, so many are written, and of those so many acknowledged.
    After { topic: Option<&'static str>, written: usize, acknowledged: usize },
    /// So many are written, and the process dies.
    Dies { written: usize },
}

/// All messages of all topics, in the order in which they were written.
#[derive(Default)]
pub(crate) struct Topics {
    pub(crate) messages: Vec<Message>,
    pub(crate) is_down: bool,
    pub(crate) cut: Option<Cut>,
    pub(crate) plant: Option<Plant>,
    pub(crate) written: usize,
}

impl Topics {
    fn write(&mut self, mut message: Message) {
        self.written += 1;
        if self.plant == Some(Plant::DropEvent) && self.written.is_multiple_of(7) {
            return;
        }
        if self.plant == Some(Plant::DeadLetterTwice) && message.topic == DLQ {
            self.messages.push(message.clone());
            for (name, value) in &mut message.headers {
                if name == "dlq-id" {
                    *value = Some(shared::id::random().to_string().into());
                }
            }
        }
        self.messages.push(message);
    }
}

/// One producer's way there.
pub(crate) struct Sender {
    topics: Shared<Topics>,
    in_flight: RefCell<Vec<(usize, Message)>>,
    reports: RefCell<BTreeMap<usize, Result<(), DeliveryFailure>>>,
    next: Cell<usize>,
}

impl Sender {
    pub(crate) fn to(topics: Shared<Topics>) -> Self {
        Self { topics, in_flight: RefCell::default(), reports: RefCell::default(), next: Cell::new(0) }
    }

    /// What is in flight arrives in its order: from the first of a topic that does not, none of it does.
    fn arrive(&self) {
        let in_flight = self.in_flight.take();
        let mut topics = self.topics.borrow_mut();
        let all = in_flight.len();
        let (topic, written, acknowledged, dies) = match topics.cut.take() {
            None => (None, all, all, false),
            Some(Cut::After { topic, written, acknowledged }) => (topic, written, acknowledged.min(written), false),
            Some(Cut::Dies { written }) => (None, written, 0, true),
        };
        let mut reports = self.reports.borrow_mut();
        let mut passed = 0;
        for (number, message) in in_flight {
            let is_cut = topic.is_none_or(|topic| message.topic == topic);
            let nth = passed;
            passed += usize::from(is_cut);
            let is_refused = is_too_large(&message.topic, message.value.as_deref());
            if (!is_cut || nth < written) && !is_refused {
                topics.write(message);
            }
            let report = if is_cut && nth >= acknowledged {
                Err(DeliveryFailure::Unknown("no acknowledgement".to_owned()))
            } else if is_refused {
                Err(DeliveryFailure::Refused("too large".to_owned()))
            } else {
                Ok(())
            };
            reports.insert(number, report);
        }
        drop((topics, reports));
        if dies {
            std::panic::resume_unwind(Box::new(Killed));
        }
    }
}

pub(crate) fn is_too_large(topic: &str, value: Option<&[u8]>) -> bool {
    topic == DLQ && value.is_some_and(|value| value.len() > LARGEST)
}

impl Sends for Sender {
    type Delivery = usize;

    fn send(&self, message: Outgoing<'_>) -> Result<usize, NotEnqueued> {
        if self.topics.borrow().is_down {
            return Err(NotEnqueued::BrokerDown("simulated".to_owned()));
        }
        // Half of what is too large is refused by the client, half by the broker.
        if is_too_large(message.topic, message.value) && message.value.is_some_and(|value| value.len() % 2 == 0) {
            return Err(NotEnqueued::Refused("too large".to_owned()));
        }
        let number = self.next.replace(self.next.get() + 1);
        let message = Message {
            topic: message.topic.to_owned(),
            key: message.key.map(<[u8]>::to_vec),
            value: message.value.map(<[u8]>::to_vec),
            headers: message.headers.to_vec(),
        };
        self.in_flight.borrow_mut().push((number, message));
        Ok(number)
    }

    async fn delivered(&self, number: usize) -> Result<(), DeliveryFailure> {
        if !self.reports.borrow().contains_key(&number) {
            self.arrive();
        }
        self.reports.borrow_mut().remove(&number).expect("it was sent")
    }

    fn fatal_error(&self) -> Option<String> {
        None
    }
}
