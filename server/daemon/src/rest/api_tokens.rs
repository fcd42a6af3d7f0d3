//! Tokens with which programs use this API.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{ApiToken, CreatedApiToken, NewApiToken};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Path};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_api_tokens, create_api_token)).routes(routes!(delete_api_token))
}

/// Lists the API tokens, without their secrets.
#[utoipa::path(get, path = "/api-tokens", tag = "api-tokens",
    responses((status = 200, description = "All API tokens.", body = [ApiToken])))]
async fn list_api_tokens(
    State(api): State<Api>,
    Viewer(right): Viewer,
) -> Result<Json<Vec<ApiToken>>, Refusal> {
    Ok(Json(api.app.list_api_tokens(&right).await?))
}

/// Makes an API token; its secret is shown in this answer only.
#[utoipa::path(post, path = "/api-tokens", tag = "api-tokens", request_body = NewApiToken,
    responses((status = 201, description = "The token, with its secret.", body = CreatedApiToken)))]
async fn create_api_token(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewApiToken>,
) -> Result<(StatusCode, Json<CreatedApiToken>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.create_api_token(&right, asked).await?)))
}

/// Ends an API token at once.
#[utoipa::path(delete, path = "/api-tokens/{id}", tag = "api-tokens",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 204, description = "The token has ended.")))]
async fn delete_api_token(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    api.app.delete_api_token(&right, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
