//! Tokens with which devices enroll.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{CreatedToken, NewToken, Token};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Path};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_tokens, create_token)).routes(routes!(revoke_token))
}

/// Lists the tokens, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "tokens",
    responses((status = 200, description = "All tokens.", body = [Token])))]
async fn list_tokens(State(api): State<Api>, Viewer(right): Viewer) -> Result<Json<Vec<Token>>, Refusal> {
    Ok(Json(api.app.list_tokens(&right).await?))
}

/// Makes a token; its join file is shown in this answer only.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "The token, with its join file.", body = CreatedToken)))]
async fn create_token(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.create_token(&right, asked).await?)))
}

/// Revokes a token: no further device enrolls with it.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 204, description = "The token is revoked.")))]
async fn revoke_token(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    api.app.revoke_token(&right, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
