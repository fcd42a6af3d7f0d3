//! For load balancers and monitoring: `/healthz`, `/readyz`, `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use muster_store::{StoreError, meta};

use super::problem::Refusal;
use super::{Api, caller};

/// The paths; the metrics need an API token (or a session), the rest tells nothing worth hiding.
pub(super) fn router(api: &Api) -> Router<Api> {
    let metrics = Router::new()
        .route("/metrics", get(metrics))
        .route_layer(from_fn_with_state(api.clone(), caller::admit));
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).merge(metrics)
}

/// Ready when the record can be written: on a full disk it can still be read, and nothing works.
async fn ready(State(api): State<Api>) -> Result<&'static str, Refusal> {
    if api.ready.found(writes(&api)).await {
        return Ok("ok\n");
    }
    Err(Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not ready",
        "The record can't be written; see the server's log, and whether its disk is full.",
    ))
}

async fn writes(api: &Api) -> bool {
    // Another value each time: one that stands there already would not reach the disk.
    let now = api.app.now().micros().to_string();
    let written: Result<(), StoreError> = api.store.write(move |tx| meta::put(tx, "ready", &now)).await;
    if let Err(error) = &written {
        tracing::error!(error = error as &dyn std::error::Error, "not ready: the record can't be written");
    }
    written.is_ok()
}

async fn metrics(State(api): State<Api>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], api.metrics.text()).into_response()
}
