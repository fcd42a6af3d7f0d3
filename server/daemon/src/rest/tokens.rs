//! Tokens with which devices enroll.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{CreatedToken, NewToken, Token};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, Path};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_tokens, create_token)).routes(routes!(revoke_token))
}

/// Lists the tokens, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "tokens",
    responses((status = 200, description = "All tokens.", body = [Token])))]
async fn list_tokens() -> Result<Json<Vec<Token>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Makes a token; its join file is shown in this answer only.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "The token, with its join file.", body = CreatedToken)))]
async fn create_token(Body(_asked): Body<NewToken>) -> Result<(StatusCode, Json<CreatedToken>), Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Revokes a token: no further device enrolls with it.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 204, description = "The token is revoked.")))]
async fn revoke_token(Path(_id): Path<String>) -> Result<StatusCode, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
