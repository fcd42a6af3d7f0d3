//! Profiles and their revisions.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{ProfileDetail, ProfileView, RevisionDiff, RevisionView, SavedRevision};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::devices::DryRun;
use super::extract::{Path, Query, Text};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_profiles))
        .routes(routes!(get_profile, save_profile))
        .routes(routes!(get_revision))
        .routes(routes!(diff_revisions))
        .routes(routes!(get_profile_schema))
}

/// Lists profiles.
#[utoipa::path(get, path = "/profiles", tag = "profiles",
    responses((status = 200, description = "All profiles.", body = [ProfileView])))]
async fn list_profiles() -> Result<Json<Vec<ProfileView>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// A profile, its revisions and where each is pinned.
#[utoipa::path(get, path = "/profiles/{name}", tag = "profiles", params(("name" = String, Path, description = "The profile's name.")),
    responses((status = 200, description = "The profile.", body = ProfileDetail)))]
async fn get_profile(Path(_name): Path<String>) -> Result<Json<ProfileDetail>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Saves a revision; saving never deploys.
#[utoipa::path(put, path = "/profiles/{name}", tag = "profiles", params(("name" = String, Path, description = "The profile's name."), DryRun),
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, description = "The revision saved, or the newest when nothing differs.",
        body = SavedRevision)))]
async fn save_profile(
    Path(_name): Path<String>,
    Query(_query): Query<DryRun>,
    Text(_source): Text,
) -> Result<Json<SavedRevision>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// One revision whole.
#[utoipa::path(get, path = "/profiles/{name}/revisions/{number}", tag = "profiles",
    params(("name" = String, Path, description = "The profile's name."), ("number" = u32, Path, description = "The revision's number.")),
    responses((status = 200, description = "The revision.", body = RevisionView)))]
async fn get_revision(Path((_name, _number)): Path<(String, u32)>) -> Result<Json<RevisionView>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Which two revisions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// The older revision.
    from: u32,
    /// The newer revision.
    to: u32,
}

/// Two revisions of a profile side by side.
#[utoipa::path(get, path = "/profiles/{name}/diff", tag = "profiles", params(("name" = String, Path, description = "The profile's name."), DiffQuery),
    responses((status = 200, description = "What differs.", body = RevisionDiff)))]
async fn diff_revisions(
    Path(_name): Path<String>,
    Query(_query): Query<DiffQuery>,
) -> Result<Json<RevisionDiff>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// The JSON Schema of the profile language, for editors and forms.
#[utoipa::path(get, path = "/schema/profile", tag = "profiles",
    responses((status = 200, description = "The schema.", body = serde_json::Value,
        content_type = "application/schema+json")))]
async fn get_profile_schema() -> Result<Json<serde_json::Value>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
