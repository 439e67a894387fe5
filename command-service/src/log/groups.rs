//! Messages on their way to the broker in groups: while one is out, the next gathers.
//!
//! A request to the broker costs as much as dozens of messages. A lone message waits for nobody; behind it, however many
//! come while a group is out go together: librdkafka has one request of a client on its way anyway, and looks for its answer
//! without a pause while more is there to send (docs/adr/0020). Behind it the next one waits for those who were there a moment
//! ago (docs/adr/0023). Many are two groups, of which one is on its way while the other's askers are answered (docs/adr/0026);
//! the rows of a batch are never in two at once. Who waits for a group is woken when all of it has its reports, and one alarm
//! bounds the wait of all.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use kafka::{GROUPS_OUT, Group, NotEnqueued, Prepared, Producer, Report, STALLED_AFTER};
use tokio::sync::{Notify, OnceCell, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::NotAccepted;
use super::crowd::Crowd;

/// The most that wait. Each has somebody who waits for its report, so there are hardly more than connections.
const QUEUE: usize = 20_000;
/// The most that go together.
const GROUP: usize = 1024;

/// Why one of several messages failed, if one did: those behind it that are not sent yet will not be.
pub(super) type Series = Arc<OnceLock<NotAccepted>>;
/// Its offset on the log, or one behind it.
pub(super) type Appended = Result<i64, NotAccepted>;

/// The end that takes messages; with it the sending ends.
pub(super) struct Groups {
    producer: Producer,
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    entry: Box<Prepared>,
    asker: Asker,
}

/// Who waits for the report of one message.
struct Asker {
    appended: oneshot::Sender<Appended>,
    since: Instant,
    series: Option<Series>,
}

struct Sending {
    queue: mpsc::Receiver<Waiting>,
    /// What gathers.
    group: Vec<Waiting>,
    under_way: Arc<UnderWay>,
}

/// What the groups that are out share with the one that gathers.
struct UnderWay {
    producer: Producer,
    topic: String,
    ack_wait: Option<Duration>,
    state: Mutex<State>,
    settled: Notify,
}

struct State {
    /// Those that are out, the oldest first.
    out: VecDeque<Out>,
    /// How many gather.
    gathered: usize,
    crowd: Crowd,
}

/// A group without its reports.
struct Out {
    number: usize,
    since: Instant,
    messages: usize,
    /// Nothing may overtake it: it has messages of a series, or who waited for it waits no more.
    is_alone: bool,
}

enum Next {
    Send,
    /// They came behind a group that is out for too long: this long.
    Refuse(Duration),
    /// For more of them or for a group to settle, and if there are some, at most until then.
    Wait(Option<Instant>),
}

impl Groups {
    /// `ack_wait` is how long a message waits for its report at most; without it, until it is there. Must be called inside
    /// a runtime.
    pub(super) fn to(producer: Producer, topic: &str, ack_wait: Option<Duration>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let state = State { out: VecDeque::new(), gathered: 0, crowd: Crowd::none() };
        let (state, settled) = (Mutex::new(state), Notify::new());
        let under_way = UnderWay { producer: producer.clone(), topic: topic.to_owned(), ack_wait, state, settled };
        let under_way = Arc::new(under_way);
        tokio::spawn(Sending { queue, group: Vec::with_capacity(GROUP), under_way }.run());
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
        let waiting = Waiting { entry, asker: Asker { appended, since: Instant::now(), series } };
        self.queue.try_send(waiting).map(|()| receiver).map_err(|_| NotEnqueued::QueueFull.into())
    }
}

impl Asker {
    fn tell(self, appended: Appended) {
        if let Err(why) = &appended {
            self.end_series(why);
        }
        // Its client may have gone.
        let _ = self.appended.send(appended);
    }

    /// What is behind it needs it, and is not sent.
    fn end_series(&self, why: &NotAccepted) {
        let Some(series) = &self.series else { return };
        let behind = match why {
            NotAccepted::Unavailable(_) => why.clone(),
            NotAccepted::Unknown(why) => NotAccepted::Unavailable(format!("of one before it nothing is known: {why}")),
        };
        // The first one says why.
        let _ = series.set(behind);
    }
}

impl UnderWay {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all of a group have their reports, and tells who waits for them; who has waited for too long is told so
    /// before.
    async fn settle(self: Arc<Self>, number: usize, group: Group, mut askers: Vec<Asker>) {
        if let (Some(oldest), Some(ack_wait)) = (askers.first(), self.ack_wait)
            && timeout_at(oldest.since + ack_wait, group.settled()).await.is_err()
        {
            let unknown = NotAccepted::too_late("the broker has not acknowledged the command", ack_wait);
            // Before they are told: what they send then must not overtake it.
            self.state().leave_alone(number);
            askers.drain(..).for_each(|asker| asker.tell(Err(unknown.clone())));
        }
        group.settled().await;
        let reports = group.reports();
        // Both before they are told and the next group goes: nothing of a series goes behind one that failed, and whoever
        // sends the next one then must not be counted twice.
        end_failed_series(&askers, &reports);
        self.state().settled(number);
        self.settled.notify_one();
        let last = OnceCell::new();
        for (asker, report) in askers.into_iter().zip(reports) {
            asker.tell(match report {
                Ok(Some(offset)) => Ok(offset),
                // A repetition that the broker knew already: not behind the last, which is asked for once for all.
                Ok(None) => {
                    last.get_or_init(|| self.producer.last_offset(&self.topic)).await.clone().map_err(Into::into)
                }
                Err(failure) => Err(failure.into()),
            });
        }
    }
}

impl State {
    /// Nothing goes beside this one any more.
    fn leave_alone(&mut self, number: usize) {
        self.out.iter_mut().filter(|out| out.number == number).for_each(|out| out.is_alone = true);
    }

    fn settled(&mut self, number: usize) {
        let waiting = self.out.iter().map(|out| out.messages).sum::<usize>() + self.gathered;
        self.out.retain(|out| out.number != number);
        self.crowd.seen(waiting);
    }

    /// What to do with those that have gathered.
    fn next(&mut self, group: &[Waiting]) -> Next {
        self.gathered = group.len();
        if group.is_empty() {
            return Next::Wait(None);
        }
        let (goes, due) = match self.out.front() {
            None => {
                let due = self.crowd.until();
                (self.crowd.is_enough(self.gathered) || Instant::now() >= due, due)
            }
            Some(oldest) if oldest.since.elapsed() >= STALLED_AFTER => return Next::Refuse(oldest.since.elapsed()),
            Some(oldest) => (self.has_room_beside(group), oldest.since + STALLED_AFTER),
        };
        if goes { Next::Send } else { Next::Wait(Some(due)) }
    }

    fn has_room_beside(&self, group: &[Waiting]) -> bool {
        self.out.len() < GROUPS_OUT
            && self.crowd.is_enough_beside(group.len())
            && !self.out.iter().any(|out| out.is_alone)
            && !in_series(group)
    }
}

impl Sending {
    async fn run(mut self) {
        let under_way = Arc::clone(&self.under_way);
        let mut alarm = pin!(sleep_until(Instant::now()));
        let mut number = 0;
        let mut is_open = true;
        while is_open || !self.group.is_empty() {
            let next = under_way.state().next(&self.group);
            let due = match next {
                Next::Send => {
                    number += 1;
                    self.send(number).await;
                    continue;
                }
                Next::Refuse(waited) => {
                    let stalled = NotAccepted::from(NotEnqueued::Stalled(waited));
                    self.group.drain(..).for_each(|waiting| waiting.asker.tell(Err(stalled.clone())));
                    continue;
                }
                Next::Wait(due) => due,
            };
            if let Some(due) = due.filter(|&due| due != alarm.deadline()) {
                alarm.as_mut().reset(due);
            }
            let room = GROUP - self.group.len();
            tokio::select! {
                biased;
                received = self.queue.recv_many(&mut self.group, room), if is_open && room > 0 => is_open = received > 0,
                () = under_way.settled.notified(), if due.is_some() => {}
                () = &mut alarm, if due.is_some() => {}
            }
        }
    }

    /// Gives the group to the broker's client.
    async fn send(&mut self, number: usize) {
        let is_alone = in_series(&self.group);
        let group = self.under_way.producer.group(self.group.len());
        let askers = self.enqueue(&group);
        group.go().await;
        let since = Instant::now();
        {
            let mut state = self.under_way.state();
            state.out.push_back(Out { number, since, messages: askers.len(), is_alone });
            state.gathered = 0;
            state.crowd.sent(since);
        }
        tokio::spawn(Arc::clone(&self.under_way).settle(number, group, askers));
    }

    /// Who waits for those that are with the broker's client now.
    fn enqueue(&mut self, out: &Group) -> Vec<Asker> {
        let UnderWay { producer, topic, .. } = &*self.under_way;
        let refused = producer.accepts().map_err(NotAccepted::from).err();
        let mut sent = Vec::with_capacity(self.group.len());
        for Waiting { entry, asker } in self.group.drain(..) {
            let before = refused.clone().or_else(|| asker.series.as_ref()?.get().cloned());
            if let Some(refused) = before {
                asker.tell(Err(refused));
                continue;
            }
            // Its report says the same, and only who comes behind it must know now.
            if let Err(refused) = out.send(topic, *entry) {
                asker.end_series(&refused.into());
            }
            sent.push(asker);
        }
        sent
    }
}

fn end_failed_series(askers: &[Asker], reports: &[Report]) {
    for (asker, report) in askers.iter().zip(reports) {
        if let Err(failure) = report {
            asker.end_series(&failure.clone().into());
        }
    }
}

fn in_series(group: &[Waiting]) -> bool {
    group.iter().any(|waiting| waiting.asker.series.is_some())
}

#[cfg(test)]
mod tests {
    use kafka::DeliveryFailure;

    use super::*;

    /// Far more than a slow machine needs between two lines.
    const LONG: Duration = Duration::from_secs(20);

    fn group(messages: usize, series: Option<&Series>) -> Vec<Waiting> {
        let waiting = |_| Waiting {
            entry: Box::new(Prepared::with_headers([])),
            asker: Asker { appended: oneshot::channel().0, since: Instant::now(), series: series.cloned() },
        };
        (0..messages).map(waiting).collect()
    }

    /// After a group for which so many waited.
    fn after(waiting: usize, out: impl IntoIterator<Item = Out>) -> State {
        let mut crowd = Crowd::none();
        crowd.seen(waiting);
        State { out: out.into_iter().collect(), gathered: 0, crowd }
    }

    fn out(number: usize, is_alone: bool) -> Out {
        Out { number, since: Instant::now(), messages: 40, is_alone }
    }

    fn goes(state: &mut State, messages: usize) -> bool {
        matches!(state.next(&group(messages, None)), Next::Send)
    }

    #[test]
    fn a_group_goes_when_it_is_whole_or_its_time_is_over() {
        let mut state = after(3, []);
        state.crowd.sent(Instant::now() + LONG);
        assert!(!goes(&mut state, 2) && goes(&mut state, 3));
        state.crowd.sent(Instant::now() - LONG);
        assert!(!goes(&mut state, 0) && goes(&mut state, 1));
    }

    #[test]
    fn a_group_waits_behind_another_but_goes_beside_it_with_half_of_many() {
        let mut few = after(30, [out(1, false)]);
        few.crowd.sent(Instant::now() - LONG);
        assert!(!goes(&mut few, 30), "halves of few would cost more");
        let mut many = after(80, [out(1, false)]);
        assert!(!goes(&mut many, 39) && goes(&mut many, 40));
        assert!(!goes(&mut after(80, [out(1, false), out(2, false)]), 40), "two are out");
    }

    #[test]
    fn rows_of_a_batch_go_neither_beside_a_group_nor_does_one_go_beside_them() {
        let rows = group(40, Some(&Series::default()));
        assert!(matches!(after(80, []).next(&rows), Next::Send));
        assert!(!matches!(after(80, [out(1, false)]).next(&rows), Next::Send));
        assert!(!goes(&mut after(80, [out(1, true)]), 40));
    }

    #[test]
    fn nothing_goes_beside_a_group_for_which_nobody_waits_any_more() {
        let mut state = after(80, [out(1, false)]);
        assert!(goes(&mut state, 40));
        state.leave_alone(1);
        assert!(!goes(&mut state, 40));
        state.settled(1);
        assert!(goes(&mut state, 40));
    }

    #[test]
    fn behind_one_of_a_series_that_failed_all_are_refused_and_those_of_others_are_not() {
        let rows =
            |series: &Series| group(2, Some(series)).into_iter().map(|waiting| waiting.asker).collect::<Vec<_>>();
        let failed = |failure| {
            let (series, other) = <(Series, Series)>::default();
            let askers: Vec<Asker> = rows(&series).into_iter().chain(rows(&other)).collect();
            end_failed_series(&askers, &[Ok(Some(7)), Err(failure), Ok(None), Ok(Some(9))]);
            assert_eq!(other.get(), None);
            series.get().cloned()
        };
        let refused = DeliveryFailure::Refused("too large".to_owned());
        assert_eq!(failed(refused.clone()), Some(refused.into()), "as it was");
        let lost = failed(DeliveryFailure::Unknown("no answer".to_owned()));
        let Some(NotAccepted::Unavailable(why)) = lost else { panic!("they are not sent, which is known: {lost:?}") };
        assert!(why.contains("no answer"), "{why}");
    }

    #[test]
    fn all_who_wait_are_counted_when_a_group_is_done() {
        let mut state = after(0, [out(1, false), out(2, false)]);
        state.gathered = 3;
        state.settled(1);
        assert_eq!(state.out.iter().map(|out| out.number).collect::<Vec<_>>(), [2]);
        assert!(!state.crowd.is_enough(40) && state.crowd.is_enough(41), "83 waited, and half are a group");
    }

    #[test]
    fn behind_a_group_that_is_out_for_too_long_all_are_refused_also_with_room_beside_it() {
        let mut stalled = out(1, false);
        stalled.since -= STALLED_AFTER;
        assert!(matches!(after(80, [stalled]).next(&group(40, None)), Next::Refuse(waited) if waited >= STALLED_AFTER));
    }
}
