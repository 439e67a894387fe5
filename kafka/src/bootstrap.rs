//! The way back to a cluster for a client that has forgotten every broker.
//!
//! A Kafka that starts or ends answers for a moment that the topic is there and no broker is. librdkafka then drops all
//! brokers it knows, and by chance also its own order to begin from `bootstrap.servers` again (its issue 5301; 2.12 to
//! 2.15 at least): the client stays alone until its process ends. So a client that reaches nobody is given the
//! addresses anew. That loses nothing: what is enqueued stays so, and a broker that is known stays known.

#![expect(unsafe_code, reason = "rdkafka has no safe call for rd_kafka_brokers_add: docs/adr/0022")]

use std::ffi::CString;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::bindings::rd_kafka_brokers_add;
use rdkafka::client::{Client, ClientContext};

/// Longer than librdkafka's own way back takes, if it takes it.
const FIRST_AFTER: Duration = Duration::from_secs(1);
/// Each time costs librdkafka some bytes for as long as the client lives.
const MOST_SELDOM: Duration = Duration::from_mins(1);

/// The addresses that one client began with, and whether it should have them again.
pub(crate) struct Bootstrap {
    addresses: CString,
    /// Since it reaches nobody.
    next: Mutex<Option<Next>>,
}

#[derive(Clone, Copy)]
struct Next {
    at: Instant,
    pause: Duration,
}

impl Bootstrap {
    /// With `host:port,…` as the client has it.
    pub(crate) fn of(addresses: &str) -> Self {
        // An address with a zero byte reaches nobody, and a client is not made with one.
        Self { addresses: CString::new(addresses).unwrap_or_default(), next: Mutex::default() }
    }

    /// Passes on what the client was asked, and gives it the addresses again if it has reached nobody for a while.
    pub(crate) fn after<T, E>(&self, client: &Client<impl ClientContext>, answer: Result<T, E>) -> Result<T, E> {
        if self.is_due(answer.is_ok(), Instant::now()) {
            tracing::info!("beginning from the bootstrap addresses again");
            // SAFETY: the client lives for as long as it is borrowed, and librdkafka copies the text.
            unsafe { rd_kafka_brokers_add(client.native_ptr(), self.addresses.as_ptr()) };
        }
        answer
    }

    fn is_due(&self, reached: bool, now: Instant) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if reached {
            *next = None;
            return false;
        }
        let Next { at, pause } = *next.get_or_insert(Next { at: now + FIRST_AFTER, pause: FIRST_AFTER });
        let is_due = now >= at;
        if is_due {
            let pause = (pause * 2).min(MOST_SELDOM);
            *next = Some(Next { at: now + pause, pause });
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reaches_nobody_is_told_after_a_second_and_then_ever_more_seldom() {
        let bootstrap = Bootstrap::of("127.0.0.1:1");
        let began = Instant::now();
        let told = |second: u64| bootstrap.is_due(false, began + Duration::from_secs(second));
        let seconds: Vec<u64> = (0..200).filter(|&second| told(second)).collect();
        assert_eq!(seconds, [1, 3, 7, 15, 31, 63, 123, 183]);
        assert!(!bootstrap.is_due(true, began + Duration::from_secs(200)));
        assert!(!told(300), "it begins anew");
        assert!(told(301));
    }
}
