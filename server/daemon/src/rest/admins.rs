//! The list of admins.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{AdminLink, AdminPatch, AdminView, Ended, NewAdmin};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::account::LogoutQuery;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Path, Query};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_admins, add_admin))
        .routes(routes!(set_admin_role, remove_admin))
        .routes(routes!(reset_admin))
        .routes(routes!(log_out_admin))
}

/// Lists the admins.
#[utoipa::path(get, path = "/admins", tag = "admins",
    responses((status = 200, description = "All admins, by name.", body = [AdminView])))]
async fn list_admins(State(api): State<Api>, Viewer(right): Viewer) -> Result<Json<Vec<AdminView>>, Refusal> {
    Ok(Json(api.app.list_admins(&right).await?))
}

/// Adds an admin, who chooses a password by the link in the answer.
#[utoipa::path(post, path = "/admins", tag = "admins", request_body = NewAdmin,
    responses((status = 201, description = "The link, shown in this answer only.", body = AdminLink)))]
async fn add_admin(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewAdmin>,
) -> Result<(StatusCode, Json<AdminLink>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.add_admin(&right, asked).await?)))
}

/// Changes what an admin may do.
#[utoipa::path(patch, path = "/admins/{name}", tag = "admins", request_body = AdminPatch,
    params(("name" = String, Path, description = "The login name.")),
    responses((status = 200, description = "The admin.", body = AdminView)))]
async fn set_admin_role(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(name): Path<String>,
    Body(asked): Body<AdminPatch>,
) -> Result<Json<AdminView>, Refusal> {
    Ok(Json(api.app.set_admin_role(&right, name, asked.role).await?))
}

/// Takes an admin away, with their logins and the API tokens that they made.
#[utoipa::path(delete, path = "/admins/{name}", tag = "admins",
    params(("name" = String, Path, description = "The login name.")),
    responses((status = 200, description = "What ended.", body = Ended)))]
async fn remove_admin(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(name): Path<String>,
) -> Result<Json<Ended>, Refusal> {
    Ok(Json(api.app.remove_admin(&right, name).await?))
}

/// Takes an admin's password and codes away, and makes a link by which they choose anew.
#[utoipa::path(post, path = "/admins/{name}/reset", tag = "admins",
    params(("name" = String, Path, description = "The login name.")),
    responses((status = 201, description = "The link, shown in this answer only.", body = AdminLink)))]
async fn reset_admin(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<AdminLink>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.reset_admin(&right, name).await?)))
}

/// Logs an admin out everywhere.
#[utoipa::path(post, path = "/admins/{name}/logout", tag = "admins",
    params(("name" = String, Path, description = "The login name."), LogoutQuery),
    responses((status = 200, description = "What ended.", body = Ended)))]
async fn log_out_admin(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(name): Path<String>,
    Query(query): Query<LogoutQuery>,
) -> Result<Json<Ended>, Refusal> {
    Ok(Json(api.app.log_out_admin(&right, name, query.made()).await?))
}
