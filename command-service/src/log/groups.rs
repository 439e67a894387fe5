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

use kafka::{GROUPS_OUT, Group, NotEnqueued, Prepared, Producer, STALLED_AFTER};
use tokio::sync::{Notify, mpsc, oneshot};
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
    /// What gathers.
    group: Vec<Waiting>,
    under_way: Arc<UnderWay>,
}

/// What the groups that are out share with the one that gathers.
struct UnderWay {
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
    /// It has messages of a series, whose order it keeps.
    in_series: bool,
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
    pub(super) fn to(producer: Producer, topic: Arc<str>, ack_wait: Option<Duration>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let state = State { out: VecDeque::new(), gathered: 0, crowd: Crowd::none() };
        let under_way = Arc::new(UnderWay { state: Mutex::new(state), settled: Notify::new() });
        let group = Vec::with_capacity(GROUP);
        let sending = Sending { producer: producer.clone(), topic, ack_wait, queue, group, under_way };
        tokio::spawn(sending.run());
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

impl UnderWay {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all of a group have their reports, and tells who waits for them.
    async fn settle(self: Arc<Self>, number: usize, group: Group, askers: Vec<Asker>, ack_wait: Option<Duration>) {
        let askers = follow(&group, askers, ack_wait).await;
        // Before they are told: whoever sends the next one then must not be counted twice.
        self.state().settled(number);
        self.settled.notify_one();
        let reports = group.reports().into_iter().map(|report| report.map_err(NotAccepted::from));
        askers.into_iter().zip(reports).for_each(|(asker, report)| asker.tell(report));
    }
}

impl State {
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
            && !self.out.iter().any(|out| out.in_series)
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
                    self.group.drain(..).for_each(|waiting| waiting.refuse(stalled.clone()));
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
        let in_series = in_series(&self.group);
        let group = self.producer.group(self.group.len());
        let askers = self.enqueue(&group);
        group.go().await;
        let since = Instant::now();
        {
            let mut state = self.under_way.state();
            state.out.push_back(Out { number, since, messages: askers.len(), in_series });
            state.gathered = 0;
            state.crowd.sent(since);
        }
        tokio::spawn(Arc::clone(&self.under_way).settle(number, group, askers, self.ack_wait));
    }

    /// Who waits for those that are with the broker's client now.
    fn enqueue(&mut self, out: &Group) -> Vec<Asker> {
        let refused = self.producer.accepts().map_err(NotAccepted::from).err();
        let mut sent = Vec::with_capacity(self.group.len());
        for waiting in self.group.drain(..) {
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

fn in_series(group: &[Waiting]) -> bool {
    group.iter().any(|waiting| waiting.series.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than a slow machine needs between two lines.
    const LONG: Duration = Duration::from_secs(20);

    fn group(messages: usize, series: Option<&Series>) -> Vec<Waiting> {
        let waiting = |_| Waiting {
            entry: Box::new(Prepared::with_headers([])),
            series: series.cloned(),
            asker: Asker { appended: oneshot::channel().0, since: Instant::now() },
        };
        (0..messages).map(waiting).collect()
    }

    /// After a group for which so many waited.
    fn after(waiting: usize, out: impl IntoIterator<Item = Out>) -> State {
        let mut crowd = Crowd::none();
        crowd.seen(waiting);
        State { out: out.into_iter().collect(), gathered: 0, crowd }
    }

    fn out(number: usize, in_series: bool) -> Out {
        Out { number, since: Instant::now(), messages: 40, in_series }
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
