//! The routes at the root of every service: health, version, metrics.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Json;
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use http::header;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;

use super::context::noted;
use super::health::{self, Readiness};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The answer of `/version`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[expect(clippy::struct_field_names, reason = "the field is the contract's")]
pub struct Version {
    /// Which service answers.
    #[schema(example = "command-service")]
    service: &'static str,
    /// Its version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit that it was built from, or `unknown`.
    #[schema(example = "8f3c2d1")]
    commit: &'static str,
}

const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The process has one recorder of metrics, whichever services it runs; the `metrics` crate keeps it global.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

fn recorder() -> &'static PrometheusHandle {
    RECORDER.get_or_init(|| {
        let handle = PrometheusBuilder::new()
            .set_buckets(&[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0])
            .and_then(PrometheusBuilder::install_recorder)
            .expect("the buckets are not empty, and nobody else installs a recorder");
        let upkeep = handle.clone();
        // Samples pile up until somebody looks, and perhaps nobody does.
        std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                loop {
                    std::thread::sleep(UPKEEP_EVERY);
                    upkeep.run_upkeep();
                }
            })
            .expect("a process that cannot start a thread cannot serve either");
        handle
    })
}

/// Health, version and metrics of the service that `readiness` names.
pub fn routes(readiness: Readiness) -> OpenApiRouter {
    recorder();
    let service = readiness.service();
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::alias))
        .with_state(readiness)
        .merge(OpenApiRouter::new().routes(routes!(version)).with_state(service))
        .routes(routes!(metrics))
        .route_layer(map_request(noted))
}

/// Which program this is.
#[utoipa::path(get, path = "/version", tag = "operations", responses((status = 200, description = "The program", body = Version)))]
async fn version(axum::extract::State(service): axum::extract::State<&'static str>) -> Json<Version> {
    Json(Version {
        service,
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("INVENTORY_COMMIT").unwrap_or("unknown"),
    })
}

/// Metrics of the whole process, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses(
    (status = 200, description = "Prometheus text format 0.0.4; every name begins with `inventory_`", body = String, content_type = "text/plain"),
))]
async fn metrics() -> Response {
    let handle = recorder();
    handle.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
}
