//! What was enqueued and has no report yet, and where its report goes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};

use super::{DeliveryFailure, Report};

/// The report to come for one message.
#[derive(Debug)]
pub struct Delivery {
    report: oneshot::Receiver<Report>,
}

impl Delivery {
    pub(super) fn to_come() -> (Reporter, Self) {
        let (sender, report) = oneshot::channel();
        (Reporter::Alone(sender), Self { report })
    }

    pub(super) async fn reported(self) -> Report {
        self.report.await.unwrap_or_else(|_| Err(DeliveryFailure::Unknown("the producer was closed".to_owned())))
    }
}

/// Where the report of one message goes.
#[derive(Debug)]
pub(super) enum Reporter {
    /// To who waits for this one.
    Alone(oneshot::Sender<Report>),
    /// To the place of this number in a group.
    Among(Arc<Gathering>, usize),
}

impl Reporter {
    pub(super) fn report(self, report: Report) {
        match self {
            // Nobody may wait any more.
            Self::Alone(sender) => drop(sender.send(report)),
            Self::Among(gathering, place) => gathering.report(place, report),
        }
    }
}

/// The reports of messages that were sent one behind another. Whoever waits for all of them is woken once.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    reports: Mutex<Reports>,
    settled: Notify,
}

#[derive(Debug, Default)]
struct Reports {
    each: Vec<Option<Report>>,
    missing: usize,
}

impl Gathering {
    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn expect_one(&self) -> usize {
        let mut reports = self.reports();
        reports.each.push(None);
        reports.missing += 1;
        reports.each.len() - 1
    }

    fn report(&self, place: usize, report: Report) {
        let mut reports = self.reports();
        reports.each[place] = Some(report);
        reports.missing -= 1;
        if reports.missing == 0 {
            self.settled.notify_one();
        }
    }

    pub(super) async fn settled(&self) {
        while self.reports().missing > 0 {
            self.settled.notified().await;
        }
    }

    /// Those that are there, in the order of sending.
    pub(super) fn take(&self) -> Vec<Report> {
        std::mem::take(&mut self.reports().each).into_iter().flatten().collect()
    }
}

/// Messages without a report, by their numbers, which librdkafka hands back with the reports. These come nearly in the
/// order of sending, so the oldest stands in front and the rest behind it without gaps.
#[derive(Default)]
pub(super) struct Unacknowledged {
    first: usize,
    messages: VecDeque<Option<InFlight>>,
}

struct InFlight {
    since: Instant,
    reporter: Reporter,
}

impl Unacknowledged {
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.messages.front().and_then(Option::as_ref).map(|oldest| oldest.since)
    }

    pub(super) fn begin(&mut self, reporter: Reporter) -> usize {
        self.messages.push_back(Some(InFlight { since: Instant::now(), reporter }));
        self.first.wrapping_add(self.messages.len() - 1)
    }

    pub(super) fn end(&mut self, number: usize) -> Option<Reporter> {
        let ended = self.messages.get_mut(number.wrapping_sub(self.first))?.take();
        while self.messages.pop_front_if(|oldest| oldest.is_none()).is_some() {
            self.first = self.first.wrapping_add(1);
        }
        ended.map(|ended| ended.reporter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_message_is_the_first_that_has_no_report_whatever_came_after_it() {
        let mut unacknowledged = Unacknowledged::default();
        let numbers: Vec<usize> = (0..3).map(|_| unacknowledged.begin(Delivery::to_come().0)).collect();
        let first = unacknowledged.oldest().expect("three are on their way");
        assert!(unacknowledged.end(numbers[1]).is_some() && unacknowledged.end(numbers[1]).is_none());
        assert_eq!(unacknowledged.oldest(), Some(first));
        assert!(unacknowledged.end(numbers[0]).is_some());
        assert!(unacknowledged.oldest().is_some_and(|third| third >= first));
        assert_eq!(unacknowledged.messages.len(), 1);
        assert!(unacknowledged.end(numbers[2]).is_some() && unacknowledged.end(7).is_none());
        assert_eq!((unacknowledged.oldest(), unacknowledged.begin(Delivery::to_come().0)), (None, 3));
    }

    #[tokio::test]
    async fn a_group_is_settled_by_its_last_report_whichever_that_is_and_keeps_their_order() {
        let gathering = Arc::new(Gathering::default());
        let places = [(); 3].map(|()| gathering.expect_one());
        let of = |place: usize| Reporter::Among(Arc::clone(&gathering), place);
        of(places[2]).report(Ok(Some(2)));
        of(places[0]).report(Err(DeliveryFailure::Unknown("lost".to_owned())));
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(1), gathering.settled());
        assert!(waiting.await.is_err(), "one is missing");
        let missing = of(places[1]);
        let reporting = std::thread::spawn(move || missing.report(Ok(None)));
        let lost = DeliveryFailure::Unknown("lost".to_owned());
        gathering.settled().await;
        assert_eq!(gathering.take(), [Err(lost), Ok(None), Ok(Some(2))]);
        reporting.join().expect("reported");
    }
}
