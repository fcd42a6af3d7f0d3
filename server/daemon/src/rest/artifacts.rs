//! Artifacts: files that profiles name by their digest.

use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt as _;
use muster_proto::rest::{ArtifactState, ArtifactView, NewArtifact};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Octets, Path, Query};
use super::problem::Refusal;
use crate::app::AppError;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_artifacts, begin_artifact))
        .routes(routes!(get_artifact, receive_artifact, delete_artifact))
        .routes(routes!(get_artifact_content))
}

/// Lists artifacts by name, those too that are on their way.
#[utoipa::path(get, path = "/artifacts", tag = "artifacts",
    responses((status = 200, description = "All artifacts.", body = [ArtifactView])))]
async fn list_artifacts(
    State(api): State<Api>,
    Viewer(right): Viewer,
) -> Result<Json<Vec<ArtifactView>>, Refusal> {
    Ok(Json(api.app.list_artifacts(&right).await?))
}

/// Begins to put an artifact on the server, or says where to go on. One that is stored already has nothing left to send.
#[utoipa::path(post, path = "/artifacts", tag = "artifacts", request_body = NewArtifact,
    responses((status = 200, description = "It is stored already.", body = ArtifactView),
        (status = 201, description = "Its bytes are to be sent, from `received` on.", body = ArtifactView)))]
async fn begin_artifact(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(new): Body<NewArtifact>,
) -> Result<(StatusCode, Json<ArtifactView>), Refusal> {
    let artifact = api.app.begin_artifact(&right, new).await?;
    let is_stored = artifact.state == ArtifactState::Stored;
    Ok((if is_stored { StatusCode::OK } else { StatusCode::CREATED }, Json(artifact)))
}

/// An artifact, how far it is, and which revisions need it.
#[utoipa::path(get, path = "/artifacts/{id}", tag = "artifacts",
    params(("id" = String, Path, description = "Its digest, the beginning of that, or its name.")),
    responses((status = 200, description = "The artifact.", body = ArtifactView)))]
async fn get_artifact(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
) -> Result<Json<ArtifactView>, Refusal> {
    Ok(Json(api.app.show_artifact(&right, id).await?))
}

/// From where on.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Offset {
    /// How many bytes the server has; 409 where it has another number.
    offset: u64,
}

/// Takes the next bytes of an artifact, as many as come within a minute. What came before the request broke off is kept. With
/// the last of them all of it is read and checked; should that take longer than the request may, it goes on, and sending
/// nothing from the end on waits for it.
#[utoipa::path(patch, path = "/artifacts/{id}", tag = "artifacts",
    params(("id" = String, Path, description = "Its digest."), Offset),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "How far it is now.", body = ArtifactView)))]
async fn receive_artifact(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
    Query(from): Query<Offset>,
    Octets(body): Octets,
) -> Result<Json<ArtifactView>, Refusal> {
    let broken =
        |error| AppError::Invalid(format!("the bytes broke off: {error}; go on where the server is"));
    let bytes = body.into_data_stream().map(|piece| piece.map_err(broken));
    Ok(Json(api.app.receive_artifact(&right, id, from.offset, bytes).await?))
}

/// Deletes an artifact, or ends its upload. Refused while a revision needs it.
#[utoipa::path(delete, path = "/artifacts/{id}", tag = "artifacts",
    params(("id" = String, Path, description = "Its digest, the beginning of that, or its name.")),
    responses((status = 204, description = "It is gone.")))]
async fn delete_artifact(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    api.app.delete_artifact(&right, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The bytes of an artifact, or with `Range: bytes=N-` those from there on.
#[utoipa::path(get, path = "/artifacts/{id}/content", tag = "artifacts",
    params(("id" = String, Path, description = "Its digest, the beginning of that, or its name.")),
    responses((status = 200, description = "Its bytes.", body = Vec<u8>, content_type = "application/octet-stream")))]
async fn get_artifact_content(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let digest = api.app.stored_artifact(&right, id).await?;
    let answer = api.app.artifacts().serve(digest, headers.get(header::RANGE)).await;
    Ok(answer.map_err(AppError::Artifacts)?.map(Bytes::new))
}
