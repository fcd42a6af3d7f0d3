//! Pauses: what keeps its desired states for a while.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{NewPause, PauseView, Resumed};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Path};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_pauses, begin_pause)).routes(routes!(end_pause))
}

/// Lists pauses.
#[utoipa::path(get, path = "/pauses", tag = "pauses",
    responses((status = 200, description = "All pauses that are not over.", body = [PauseView])))]
async fn list_pauses(State(api): State<Api>, Viewer(right): Viewer) -> Result<Json<Vec<PauseView>>, Refusal> {
    Ok(Json(api.app.list_pauses(&right).await?))
}

/// Pauses devices: they keep their state until they are resumed. Leases still end on them.
#[utoipa::path(post, path = "/pauses", tag = "pauses", request_body = NewPause,
    responses((status = 201, description = "The pause.", body = PauseView)))]
async fn begin_pause(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewPause>,
) -> Result<(StatusCode, Json<PauseView>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.pause(&right, asked).await?)))
}

/// Ends a pause; its devices get at once what waited for them.
#[utoipa::path(delete, path = "/pauses/{target}", tag = "pauses",
    params(("target" = String, Path, description = "What is paused, such as label:laptop or everyone.")),
    responses((status = 200, description = "What became of what waited.", body = Resumed)))]
async fn end_pause(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(target): Path<String>,
) -> Result<Json<Resumed>, Refusal> {
    Ok(Json(api.app.resume(&right, target).await?))
}
