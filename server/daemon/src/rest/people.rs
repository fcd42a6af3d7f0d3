//! People who own devices and accounts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::PersonView;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::Body;
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_people, create_person))
}

/// Lists people.
#[utoipa::path(get, path = "/people", tag = "people",
    responses((status = 200, description = "All people.", body = [PersonView])))]
async fn list_people(
    State(api): State<Api>,
    Viewer(right): Viewer,
) -> Result<Json<Vec<PersonView>>, Refusal> {
    Ok(Json(api.app.list_people(&right).await?))
}

/// Makes a person, or changes the one with this username.
#[utoipa::path(post, path = "/people", tag = "people", request_body = PersonView,
    responses((status = 201, description = "The person.", body = PersonView)))]
async fn create_person(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<PersonView>,
) -> Result<(StatusCode, Json<PersonView>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.create_person(&right, asked).await?)))
}
