//! Which profile revisions apply to which devices.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{AssignmentResult, AssignmentView, NewAssignment};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::devices::DryRun;
use super::extract::{Body, Path, Query};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_assignments, create_assignment)).routes(routes!(end_assignment))
}

/// Lists assignments.
#[utoipa::path(get, path = "/assignments", tag = "assignments",
    responses((status = 200, description = "All assignments.", body = [AssignmentView])))]
async fn list_assignments() -> Result<Json<Vec<AssignmentView>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Assigns a profile revision; with conflicts nothing is assigned.
#[utoipa::path(post, path = "/assignments", tag = "assignments", params(DryRun), request_body = NewAssignment,
    responses((status = 200, description = "What it would do (dry run), or the conflicts that stopped it.",
            body = AssignmentResult),
        (status = 201, description = "What it did.", body = AssignmentResult)))]
async fn create_assignment(
    Query(_query): Query<DryRun>,
    Body(_asked): Body<NewAssignment>,
) -> Result<(StatusCode, Json<AssignmentResult>), Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Ends an assignment; devices reverse what it brought.
#[utoipa::path(delete, path = "/assignments/{id}", tag = "assignments",
    params(("id" = String, Path, description = "The assignment's id.")),
    responses((status = 204, description = "The assignment has ended.")))]
async fn end_assignment(Path(_id): Path<String>) -> Result<StatusCode, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
