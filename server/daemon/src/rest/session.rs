//! Logging in and out with the browser cookie.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{Login, Session};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::Body;
use super::problem::Refusal;

/// The cookie's name. `__Host-` makes browsers refuse it from anything but this host over TLS.
pub(super) const COOKIE: &str = "__Host-muster-session";

pub(super) fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(log_in))
}

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_session, log_out))
}

/// Logs in and sets the session cookie.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Login,
    responses((status = 201, description = "Logged in.", body = Session)))]
async fn log_in(Body(_asked): Body<Login>) -> Result<(StatusCode, Json<Session>), Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Says who is logged in.
#[utoipa::path(get, path = "/session", tag = "session",
    responses((status = 200, description = "Who is logged in.", body = Session)))]
async fn get_session() -> Result<Json<Session>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Ends the session.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = 204, description = "The session has ended.")))]
async fn log_out() -> Result<StatusCode, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
