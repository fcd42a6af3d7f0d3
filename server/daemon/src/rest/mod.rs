//! The door for admins and their programs: `/api/v1`, and beside it `/healthz`, `/readyz` and `/metrics`.
//!
//! One file per noun, each parse -> operation -> view. What they share: [`caller`] lets in by [`scope`], [`extract`] parses,
//! [`problem`] refuses, [`attempts`] slows guessing down, [`headers`] tells browsers what to keep from doing.

mod account;
mod admins;
mod api_tokens;
mod artifacts;
mod assignments;
pub(crate) mod attempts;
mod audit;
mod caller;
mod checks;
mod compliance;
mod devices;
mod events;
mod extract;
mod groups;
mod headers;
mod health;
mod lost;
pub(crate) mod openapi;
mod outcomes;
mod overview;
mod pauses;
mod people;
mod plans;
pub(crate) mod problem;
mod profiles;
mod ready;
mod removals;
mod reported;
mod reports;
mod rollouts;
mod scope;
mod session;
mod setup;
mod streams;
#[cfg(test)]
mod tests;
mod tokens;
mod waivers;

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use muster_store::Store;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::install::{self, Install};
use crate::metrics::Metrics;
use crate::{docs, web};
use attempts::Attempts;
use problem::Refusal;
use ready::Ready;
use streams::Streams;

/// The largest body of a path that does not say otherwise.
const MAX_BODY: usize = 64 * 1024;
/// The longest a request may take, its body included; streams of events go on after their head.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest body of a path that is open to strangers, who send a name, a secret and a code. With every connection that
/// one address may have, larger ones kept for longer would take the memory of the server.
const MAX_OPEN_BODY: usize = 4 * 1024;
/// How long a stranger may take to send it.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// What handlers work with; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    app: App,
    /// Only for `/readyz`.
    store: Store,
    metrics: Metrics,
    attempts: Attempts,
    streams: Streams,
    ready: Ready,
}

impl Api {
    /// Over these operations.
    pub(crate) fn new(app: App, store: Store, metrics: Metrics) -> Self {
        let (attempts, streams, ready) = (Attempts::default(), Streams::default(), Ready::default());
        Self { app, store, metrics, attempts, streams, ready }
    }
}

/// Everything that admins are served: the API, the pages, health and metrics, and what is open to all.
pub(crate) fn router(api: Api, install: Install) -> Router {
    let closed: Router<Api> = closed().into();
    let closed = closed.route_layer(from_fn_with_state(api.clone(), caller::admit));
    let open: Router<Api> = open().into();
    let open = open.route_layer(from_fn(read_first));
    let nothing =
        || async { Refusal::not_found("There is no such path in this API; see muster-server openapi.") };
    let paths = open.merge(closed).fallback(nothing).method_not_allowed_fallback(wrong_method);
    Router::new()
        .nest(openapi::PREFIX, paths)
        .merge(health::router(&api))
        .merge(install::router(install))
        .merge(docs::router())
        .fallback_service(web::router())
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(api.clone(), watch))
        .layer(from_fn(headers::add))
        .with_state(api)
}

/// Paths that a caller may use before anyone is known.
fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new().merge(setup::router()).merge(session::open())
}

/// Paths that need a session or an API token.
fn closed() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(session::router())
        .merge(account::router())
        .merge(admins::router())
        .merge(api_tokens::router())
        .merge(overview::router())
        .merge(devices::router())
        .merge(lost::router())
        .merge(plans::router())
        .merge(reported::router())
        .merge(tokens::router())
        .merge(people::router())
        .merge(groups::router())
        .merge(profiles::router())
        .merge(artifacts::router())
        .merge(assignments::router())
        .merge(rollouts::router())
        .merge(pauses::router())
        .merge(removals::router())
        .merge(waivers::router())
        .merge(compliance::router())
        .merge(reports::router())
        .merge(checks::router())
        .merge(outcomes::router())
        .merge(audit::router())
        .merge(events::router())
}

async fn wrong_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "This path does not take this method.")
}

/// Reads a stranger's body before anything else is done.
async fn read_first(request: Request, next: Next) -> Result<Response, Refusal> {
    Ok(next.run(with_body(request, OPEN_PATIENCE).await?).await)
}

/// The request with its body read, which has to be small and there in time.
async fn with_body(request: Request, patience: Duration) -> Result<Request, Refusal> {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(patience, axum::body::to_bytes(body, MAX_OPEN_BODY)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(_)) => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too large",
            format!("The body is larger than the {MAX_OPEN_BODY} bytes that this path takes, or broke off."),
        )),
        Err(_) => {
            let detail = "The body took too long to come. Send it again at once.";
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "Too slow", detail))
        }
    }
}

/// Ends what takes too long, and counts what was answered.
async fn watch(State(api): State<Api>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().as_str().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "The request took too long. Try again, or ask for less at once.";
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "Too slow", detail).into_response()
        }
    };
    api.metrics.answered(&method, &route, response.status().as_u16(), begun.elapsed());
    response
}
