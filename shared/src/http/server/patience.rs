//! Connections on which nothing happens, found and ended: who takes too long to send a head (slowloris) or to take an
//! answer, and who has had nothing to ask for as long.
//!
//! hyper knows a time-out for heads. With it, it goes round its loop a second time for each request, and times each by itself.
//! Here what happens leaves a sign, and one look at all connections, every few seconds, finds those without.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::Response;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::Service;
use pin_project_lite::pin_project;
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::http::context::{Answering, InContext};

/// How far looks are apart.
pub(super) const LOOKS_APART: Duration = Duration::from_millis(2500);
/// So many looks without a sign, and a connection is ended: after 10 to 12.5 s.
pub(super) const LOOKS: u32 = 4;

/// When to look.
pub(super) fn looks(apart: Duration) -> Interval {
    let mut looks = tokio::time::interval(apart);
    // A process that stood still has not seen what came meanwhile: all of that time is one look.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// All that are open.
#[derive(Default)]
pub(super) struct Connections(Vec<Connection>);

struct Connection {
    /// Goes with the connection.
    signs: Weak<Signs>,
    looks_without: u32,
}

/// What was seen of one connection.
#[derive(Default)]
pub(super) struct Signs {
    /// Since the last look, that it was opened or took bytes of an answer. What it sends is none: a head may come in drops.
    lives: AtomicBool,
    /// Requests whose answer is still to come.
    under_way: AtomicU32,
    /// Of HTTP/2: it may carry many requests and may be kept for the next.
    is_shared: AtomicBool,
    task: OnceLock<AbortHandle>,
}

impl Connections {
    /// Looks after one more, that `task` serves.
    pub(super) fn add(&mut self, signs: &Weak<Signs>, task: AbortHandle) {
        if let Some(signs) = signs.upgrade() {
            let _ = signs.task.set(task);
        }
        self.0.push(Connection { signs: Weak::clone(signs), looks_without: 0 });
    }

    /// Ends those that gave no sign for too long.
    pub(super) fn look(&mut self) {
        self.0.retain_mut(|Connection { signs, looks_without }| {
            let Some(signs) = signs.upgrade() else { return false };
            *looks_without = if signs.seen() { 0 } else { *looks_without + 1 };
            if *looks_without < LOOKS {
                return true;
            }
            tracing::debug!("a connection on which nothing happens is ended");
            if let Some(task) = signs.task.get() {
                task.abort();
            }
            false
        });
    }
}

impl Signs {
    pub(super) fn new() -> Self {
        Self { lives: AtomicBool::new(true), ..Self::default() }
    }

    /// It took bytes.
    pub(super) fn took(&self) {
        self.lives.store(true, Ordering::Relaxed);
    }

    fn seen(&self) -> bool {
        let lives = self.lives.swap(false, Ordering::Relaxed);
        lives || self.under_way.load(Ordering::Relaxed) > 0 || self.is_shared.load(Ordering::Relaxed)
    }
}

/// What answers the requests of one connection.
pub(super) struct Answers {
    router: InContext,
    signs: Arc<Signs>,
}

impl Answers {
    pub(super) const fn new(router: InContext, signs: Arc<Signs>) -> Self {
        Self { router, signs }
    }
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response;
    type Error = Infallible;
    type Future = UnderWay;

    fn call(&self, request: Request<Incoming>) -> UnderWay {
        if request.version() == Version::HTTP_2 {
            self.signs.is_shared.store(true, Ordering::Relaxed);
        }
        self.signs.under_way.fetch_add(1, Ordering::Relaxed);
        let sign = Sign(Arc::clone(&self.signs));
        UnderWay { answering: self.router.answer(request), _sign: sign }
    }
}

pin_project! {
    /// An answer to come, and the sign of it.
    pub(super) struct UnderWay {
        #[pin]
        answering: Answering,
        _sign: Sign,
    }
}

impl Future for UnderWay {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().answering.poll(context)
    }
}

/// Of one request; also one that the client gave up is one no longer.
struct Sign(Arc<Signs>);

impl Drop for Sign {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
