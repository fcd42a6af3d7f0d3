//! The first page in one answer.

use axum::Json;
use axum::extract::State;
use muster_proto::rest::Overview;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Viewer;
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_overview))
}

/// How the fleet stands, what waits for an admin, and what fails for the same cause.
#[utoipa::path(get, path = "/overview", tag = "overview",
    responses((status = 200, description = "The overview.", body = Overview)))]
async fn get_overview(State(api): State<Api>, Viewer(right): Viewer) -> Result<Json<Overview>, Refusal> {
    Ok(Json(api.app.overview(&right).await?))
}
