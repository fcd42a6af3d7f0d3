//! The first admin, by the one-time link that `muster-server setup` printed.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{Session, Setup};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::Body;
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(set_up))
}

/// Makes the first admin and logs them in.
#[utoipa::path(post, path = "/setup", tag = "session", request_body = Setup,
    responses((status = 201, description = "The first admin exists and is logged in.", body = Session)))]
async fn set_up(Body(_asked): Body<Setup>) -> Result<(StatusCode, Json<Session>), Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
