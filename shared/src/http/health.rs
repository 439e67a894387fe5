//! Readiness: what this service needs, and how each of it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

/// How one dependency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// As it should be.
    Up,
    /// Not as it should be, but the service can do its work.
    Degraded,
    /// The service cannot do its work.
    Down,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Dependency)]
struct Dependency {
    status: Condition,
    /// In words.
    detail: String,
}

/// What a service knows of its dependencies; clones share it.
#[derive(Debug, Clone)]
pub struct Readiness {
    service: &'static str,
    dependencies: Arc<Mutex<BTreeMap<&'static str, Dependency>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Overall {
    Ready,
    Degraded,
    NotReady,
}

/// The answer of `/health/ready` and `/health/live`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Health)]
pub struct Health {
    status: Overall,
    /// Which service answers.
    #[schema(example = "query-service")]
    service: &'static str,
    /// Its version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// By name.
    dependencies: BTreeMap<&'static str, Dependency>,
}

impl Readiness {
    /// Nothing known yet; each dependency named here is down until told otherwise.
    pub fn new(service: &'static str, dependencies: &[&'static str]) -> Self {
        let starting = Dependency { status: Condition::Down, detail: "starting".to_owned() };
        let dependencies = dependencies.iter().map(|&name| (name, starting.clone())).collect();
        Self { service, dependencies: Arc::new(Mutex::new(dependencies)) }
    }

    /// The service's name.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// Tells how a dependency is; a change of its status is logged, once.
    pub fn tell(&self, name: &'static str, status: Condition, detail: impl Into<String>) {
        let detail = detail.into();
        let mut dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner);
        let before = dependencies.get(name).map(|dependency| dependency.status);
        if before != Some(status) {
            let service = self.service;
            match status {
                Condition::Up => tracing::info!(service, dependency = name, detail, "up"),
                Condition::Degraded => tracing::warn!(service, dependency = name, detail, "degraded"),
                Condition::Down => tracing::error!(service, dependency = name, detail, "down"),
            }
        }
        dependencies.insert(name, Dependency { status, detail });
    }

    /// Whether every dependency allows work.
    pub fn is_ready(&self) -> bool {
        self.health().status != Overall::NotReady
    }

    fn health(&self) -> Health {
        let dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let any = |condition| dependencies.values().any(|dependency| dependency.status == condition);
        let status = if any(Condition::Down) {
            Overall::NotReady
        } else if any(Condition::Degraded) {
            Overall::Degraded
        } else {
            Overall::Ready
        };
        Health { status, service: self.service, version: env!("CARGO_PKG_VERSION"), dependencies }
    }
}

/// Whether the process runs; touches nothing.
#[utoipa::path(get, path = "/health/live", tag = "operations", responses((status = 200, description = "The process runs", body = Health)))]
pub async fn live(State(readiness): State<Readiness>) -> Json<Health> {
    Json(Health {
        status: Overall::Ready,
        service: readiness.service,
        version: env!("CARGO_PKG_VERSION"),
        dependencies: BTreeMap::new(),
    })
}

/// Whether the service can do its work, and which dependency says no.
#[utoipa::path(get, path = "/health/ready", tag = "operations", responses(
    (status = 200, description = "The service does its work; `degraded` if more slowly or with less", body = Health),
    (status = 503, description = "A dependency is down", body = Health),
))]
pub async fn ready(State(readiness): State<Readiness>) -> Response {
    respond(&readiness)
}

/// The same as `/health/ready`.
#[utoipa::path(get, path = "/api/v1/health", tag = "operations", responses(
    (status = 200, description = "The service does its work; `degraded` if more slowly or with less", body = Health),
    (status = 503, description = "A dependency is down", body = Health),
))]
pub async fn alias(State(readiness): State<Readiness>) -> Response {
    respond(&readiness)
}

fn respond(readiness: &Readiness) -> Response {
    let health = readiness.health();
    let status = if health.status == Overall::NotReady { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_dependency_decides() {
        let readiness = Readiness::new("a-service", &["broker"]);
        assert!(!readiness.is_ready());
        readiness.tell("broker", Condition::Up, "connected");
        readiness.tell("cache", Condition::Degraded, "slow");
        assert_eq!(readiness.health().status, Overall::Degraded);
        assert!(readiness.is_ready());
        readiness.tell("broker", Condition::Down, "gone");
        assert_eq!(readiness.health().status, Overall::NotReady);
    }
}
