//! Assignments that reach their devices step by step.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{NewRollout, RolloutDetail, RolloutView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Path};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_rollouts, start_rollout))
        .routes(routes!(show_rollout))
        .routes(routes!(resume_rollout))
        .routes(routes!(cancel_rollout))
}

/// Lists rollouts.
#[utoipa::path(get, path = "/rollouts", tag = "rollouts",
    responses((status = 200, description = "The newest 500, the newest first.", body = [RolloutView])))]
async fn list_rollouts(
    State(api): State<Api>,
    Viewer(right): Viewer,
) -> Result<Json<Vec<RolloutView>>, Refusal> {
    Ok(Json(api.app.list_rollouts(&right).await?))
}

/// Starts a rollout: its first step begins at once. What it would assign is said by `POST /assignments?dry_run=true`.
#[utoipa::path(post, path = "/rollouts", tag = "rollouts", request_body = NewRollout,
    responses((status = 201, description = "The rollout.", body = RolloutView)))]
async fn start_rollout(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewRollout>,
) -> Result<(StatusCode, Json<RolloutView>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.start_rollout(&right, asked).await?)))
}

/// Shows a rollout with its devices.
#[utoipa::path(get, path = "/rollouts/{id}", tag = "rollouts",
    params(("id" = String, Path, description = "The rollout's id.")),
    responses((status = 200, description = "The rollout.", body = RolloutDetail)))]
async fn show_rollout(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
) -> Result<Json<RolloutDetail>, Refusal> {
    Ok(Json(api.app.show_rollout(&right, id).await?))
}

/// Lets a stopped rollout go on; refused while what stopped it is still so.
#[utoipa::path(post, path = "/rollouts/{id}/resume", tag = "rollouts",
    params(("id" = String, Path, description = "The rollout's id.")),
    responses((status = 200, description = "The rollout, running.", body = RolloutView)))]
async fn resume_rollout(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<Json<RolloutView>, Refusal> {
    Ok(Json(api.app.resume_rollout(&right, id).await?))
}

/// Takes back what the steps of a rollout gave; its devices have again what was assigned before.
#[utoipa::path(post, path = "/rollouts/{id}/cancel", tag = "rollouts",
    params(("id" = String, Path, description = "The rollout's id.")),
    responses((status = 200, description = "The rollout, cancelled.", body = RolloutView)))]
async fn cancel_rollout(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<Json<RolloutView>, Refusal> {
    Ok(Json(api.app.cancel_rollout(&right, id).await?))
}
