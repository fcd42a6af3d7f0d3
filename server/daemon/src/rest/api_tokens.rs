//! Tokens with which programs use this API.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{ApiToken, CreatedApiToken, NewApiToken};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, Path};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_api_tokens, create_api_token)).routes(routes!(delete_api_token))
}

/// Lists the API tokens, without their secrets.
#[utoipa::path(get, path = "/api-tokens", tag = "api-tokens",
    responses((status = 200, description = "All API tokens.", body = [ApiToken])))]
async fn list_api_tokens() -> Result<Json<Vec<ApiToken>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Makes an API token; its secret is shown in this answer only.
#[utoipa::path(post, path = "/api-tokens", tag = "api-tokens", request_body = NewApiToken,
    responses((status = 201, description = "The token, with its secret.", body = CreatedApiToken)))]
async fn create_api_token(
    Body(_asked): Body<NewApiToken>,
) -> Result<(StatusCode, Json<CreatedApiToken>), Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Ends an API token at once.
#[utoipa::path(delete, path = "/api-tokens/{id}", tag = "api-tokens",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 204, description = "The token has ended.")))]
async fn delete_api_token(Path(_id): Path<String>) -> Result<StatusCode, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
