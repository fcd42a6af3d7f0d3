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

/// Ready when the record can be read.
async fn ready(State(api): State<Api>) -> Result<&'static str, Refusal> {
    match api.store.read(|tx| meta::get(tx, "ready")).await {
        Ok::<_, StoreError>(_) => Ok("ok\n"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "not ready: the record can't be read");
            Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Not ready",
                "The record can't be read; see the server's log.",
            ))
        }
    }
}

async fn metrics(State(api): State<Api>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], api.metrics.text()).into_response()
}
