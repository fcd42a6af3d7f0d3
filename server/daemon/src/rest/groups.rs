//! Groups of people, whose members profiles give accounts to.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{GroupChange, GroupView, NewGroup};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Path};
use super::problem::Refusal;
use crate::app::group::Membership;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_groups, create_group))
        .routes(routes!(show_group, remove_group))
        .routes(routes!(add_member, remove_member))
}

/// Lists groups.
#[utoipa::path(get, path = "/groups", tag = "people",
    responses((status = 200, description = "All groups.", body = [GroupView])))]
async fn list_groups(State(api): State<Api>, Viewer(right): Viewer) -> Result<Json<Vec<GroupView>>, Refusal> {
    Ok(Json(api.app.list_groups(&right).await?))
}

/// Makes a group.
#[utoipa::path(post, path = "/groups", tag = "people", request_body = NewGroup,
    responses((status = 201, description = "The group.", body = GroupChange)))]
async fn create_group(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewGroup>,
) -> Result<(StatusCode, Json<GroupChange>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.create_group(&right, asked).await?)))
}

/// Shows a group.
#[utoipa::path(get, path = "/groups/{name}", tag = "people",
    params(("name" = String, Path, description = "The group's name.")),
    responses((status = 200, description = "The group.", body = GroupView)))]
async fn show_group(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(name): Path<String>,
) -> Result<Json<GroupView>, Refusal> {
    Ok(Json(api.app.show_group(&right, name).await?))
}

/// Removes a group that no assigned profile gives accounts to.
#[utoipa::path(delete, path = "/groups/{name}", tag = "people",
    params(("name" = String, Path, description = "The group's name.")),
    responses((status = 204, description = "It is gone.")))]
async fn remove_group(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    api.app.remove_group(&right, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a person into a group: they get the accounts that profiles give its members.
#[utoipa::path(put, path = "/groups/{name}/members/{username}", tag = "people",
    params(("name" = String, Path, description = "The group's name."),
        ("username" = String, Path, description = "Who comes in.")),
    responses((status = 200, description = "What it came to.", body = GroupChange)))]
async fn add_member(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path((name, username)): Path<(String, String)>,
) -> Result<Json<GroupChange>, Refusal> {
    Ok(Json(api.app.change_member(&right, name, username, Membership::Begins).await?))
}

/// Takes a person out of a group: the accounts that they had by it end.
#[utoipa::path(delete, path = "/groups/{name}/members/{username}", tag = "people",
    params(("name" = String, Path, description = "The group's name."),
        ("username" = String, Path, description = "Who leaves it.")),
    responses((status = 200, description = "What it came to.", body = GroupChange)))]
async fn remove_member(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path((name, username)): Path<(String, String)>,
) -> Result<Json<GroupChange>, Refusal> {
    Ok(Json(api.app.change_member(&right, name, username, Membership::Ends).await?))
}
