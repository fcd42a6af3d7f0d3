//! The first page in one answer.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::Overview;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_overview))
}

/// How the fleet stands, what waits for an admin, and what fails for the same cause.
#[utoipa::path(get, path = "/overview", tag = "overview",
    responses((status = 200, description = "The overview.", body = Overview)))]
async fn get_overview() -> Result<Json<Overview>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
