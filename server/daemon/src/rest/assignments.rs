//! Which profile revisions apply to which devices.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{AssignmentResult, AssignmentView, FleetPlan, NewAssignment};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::devices::DryRun;
use super::extract::{Body, Path, Query};
use super::problem::Refusal;
use crate::app::import::Trial;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_assignments, create_assignment))
        .routes(routes!(plan_assignment))
        .routes(routes!(end_assignment))
}

/// Lists assignments.
#[utoipa::path(get, path = "/assignments", tag = "assignments",
    responses((status = 200, description = "All assignments.", body = [AssignmentView])))]
async fn list_assignments(
    State(api): State<Api>,
    Viewer(right): Viewer,
) -> Result<Json<Vec<AssignmentView>>, Refusal> {
    Ok(Json(api.app.list_assignments(&right).await?))
}

/// Assigns a profile revision; with conflicts nothing is assigned.
#[utoipa::path(post, path = "/assignments", tag = "assignments", params(DryRun), request_body = NewAssignment,
    responses((status = 200, description = "What it would do (dry run).",
            body = AssignmentResult),
        (status = 201, description = "What it did.", body = AssignmentResult)))]
async fn create_assignment(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Query(query): Query<DryRun>,
    Body(asked): Body<NewAssignment>,
) -> Result<(StatusCode, Json<AssignmentResult>), Refusal> {
    let trial = query.trial();
    let result = api.app.assign(&right, asked, trial).await?;
    let status = if trial == Trial::Real { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(result)))
}

/// Asks the devices that an assignment would touch, at most 200 of them, what they would do; nothing is assigned. Waits
/// for their answers for ten seconds.
#[utoipa::path(post, path = "/assignments/plan", tag = "assignments", request_body = NewAssignment,
    responses((status = 200, description = "What the devices say.", body = FleetPlan)))]
async fn plan_assignment(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewAssignment>,
) -> Result<Json<FleetPlan>, Refusal> {
    Ok(Json(api.app.plan_assignment(&right, asked).await?))
}

/// Ends an assignment; devices reverse what it brought.
#[utoipa::path(delete, path = "/assignments/{id}", tag = "assignments",
    params(("id" = String, Path, description = "The assignment's id.")),
    responses((status = 204, description = "The assignment has ended.")))]
async fn end_assignment(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    api.app.unassign(&right, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
