//! Removals that nobody asked for by name, and that wait for an admin's word.

use axum::Json;
use axum::extract::State;
use muster_proto::rest::{Removal, Resumed};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::Path;
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_removals))
        .routes(routes!(confirm_removal))
        .routes(routes!(drop_removal))
}

/// Lists removals that wait.
#[utoipa::path(get, path = "/removals", tag = "removals",
    responses((status = 200, description = "All removals that wait, the oldest first.", body = [Removal])))]
async fn list_removals(State(api): State<Api>, Viewer(right): Viewer) -> Result<Json<Vec<Removal>>, Refusal> {
    Ok(Json(api.app.list_removals(&right).await?))
}

/// Lets a removal happen; devices reverse what leaves them.
#[utoipa::path(post, path = "/removals/{id}/confirm", tag = "removals",
    params(("id" = String, Path, description = "The removal's id.")),
    responses((status = 200, description = "What became of its devices.", body = Resumed)))]
async fn confirm_removal(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<Json<Resumed>, Refusal> {
    Ok(Json(api.app.confirm_removal(&right, id).await?))
}

/// Takes a removal back; its devices get their labels again.
#[utoipa::path(post, path = "/removals/{id}/drop", tag = "removals",
    params(("id" = String, Path, description = "The removal's id.")),
    responses((status = 200, description = "What became of its devices.", body = Resumed)))]
async fn drop_removal(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<Json<Resumed>, Refusal> {
    Ok(Json(api.app.drop_removal(&right, id).await?))
}
