//! The metrics of requests. A look at the registry costs more than all that is counted, so what it gave is kept: one
//! handle for each route, method and status, of which there are few.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use http::{Method, StatusCode};
use metrics::{Counter, Histogram};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];

/// Clones share what was looked up.
#[derive(Clone)]
pub(super) struct Meters {
    service: &'static str,
    routes: Arc<RwLock<Table<String, Table<Answer, Meter>>>>,
}

/// Routes are the program's own, so that nobody can choose keys that collide.
type Table<K, V> = HashMap<K, V, RandomState>;
type Answer = (&'static str, StatusCode);

struct Meter {
    total: Counter,
    seconds: Histogram,
}

impl Meters {
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, routes: Arc::default() }
    }

    /// Counts one answer.
    pub(super) fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        // Anybody can make methods up; each label value is kept for ever.
        let method = METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or("other");
        tracing::debug!(method, route, status = status.as_u16(), took_us = took.as_micros(), "answered");
        let answer = (method, status);
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = routes.get(route).and_then(|answers| answers.get(&answer)) {
            return meter.record(took);
        }
        drop(routes);
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let answers = routes.entry(route.to_owned()).or_default();
        answers.entry(answer).or_insert_with(|| Meter::of(self.service, route, answer)).record(took);
    }
}

impl Meter {
    fn of(service: &'static str, route: &str, (method, status): Answer) -> Self {
        let (route, status) = (route.to_owned(), status.as_u16().to_string());
        let seconds =
            metrics::histogram!("inventory_http_request_seconds", "service" => service, "route" => route.clone());
        let total = metrics::counter!(
            "inventory_http_requests_total", "service" => service, "method" => method, "route" => route, "status" => status,
        );
        Self { total, seconds }
    }

    fn record(&self, took: Duration) {
        self.total.increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}
