//! People who own devices and accounts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{NewPerson, PersonChange, PersonDetail, PersonPatch, PersonView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Path};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_people, create_person)).routes(routes!(
        show_person,
        change_person,
        remove_person
    ))
}

/// Lists people, those who left too.
#[utoipa::path(get, path = "/people", tag = "people",
    responses((status = 200, description = "All people.", body = [PersonView])))]
async fn list_people(
    State(api): State<Api>,
    Viewer(right): Viewer,
) -> Result<Json<Vec<PersonView>>, Refusal> {
    Ok(Json(api.app.list_people(&right).await?))
}

/// Adds a person. Their username and uid are never another's.
#[utoipa::path(post, path = "/people", tag = "people", request_body = NewPerson,
    responses((status = 201, description = "The person.", body = PersonView)))]
async fn create_person(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewPerson>,
) -> Result<(StatusCode, Json<PersonView>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.create_person(&right, asked).await?)))
}

/// Shows a person, and the devices that know them.
#[utoipa::path(get, path = "/people/{username}", tag = "people",
    params(("username" = String, Path, description = "Their username.")),
    responses((status = 200, description = "The person.", body = PersonDetail)))]
async fn show_person(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(username): Path<String>,
) -> Result<Json<PersonDetail>, Refusal> {
    Ok(Json(api.app.show_person(&right, username).await?))
}

/// Changes a person, or brings back who left.
#[utoipa::path(patch, path = "/people/{username}", tag = "people", request_body = PersonPatch,
    params(("username" = String, Path, description = "Their username.")),
    responses((status = 200, description = "What it came to.", body = PersonChange)))]
async fn change_person(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(username): Path<String>,
    Body(asked): Body<PersonPatch>,
) -> Result<Json<PersonChange>, Refusal> {
    Ok(Json(api.app.change_person(&right, username, asked).await?))
}

/// Somebody leaves: they are in no group any more, and their accounts end on every device. Their record stays.
#[utoipa::path(delete, path = "/people/{username}", tag = "people",
    params(("username" = String, Path, description = "Their username.")),
    responses((status = 200, description = "What it came to.", body = PersonChange)))]
async fn remove_person(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(username): Path<String>,
) -> Result<Json<PersonChange>, Refusal> {
    Ok(Json(api.app.remove_person(&right, username).await?))
}
