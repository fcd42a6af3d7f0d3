//! Server-sent events: what changed, so that pages know what to ask for again.

use axum::http::StatusCode;
use axum::response::Response;
use muster_proto::rest::ChangeNotice;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(follow_events))
}

/// Follows changes; each event's data is a ChangeNotice.
#[utoipa::path(get, path = "/events", tag = "events",
    responses((status = 200, description = "Events until the session ends.", body = ChangeNotice,
        content_type = "text/event-stream")))]
async fn follow_events() -> Result<Response, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
