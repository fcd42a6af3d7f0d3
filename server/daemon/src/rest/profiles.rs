//! Profiles and their revisions.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use muster_policy::scope::{self, Access, Noun};
use muster_proto::profile::Profile;
use muster_proto::rest::{
    ProfileDetail, ProfileView, RevisionDiff, RevisionView, Rollback, RollbackResult, SavedRevision,
};
use muster_proto::yaml::MAX_SOURCE;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Caller, Viewer};
use super::devices::DryRun;
use super::extract::{Body, Path, Query, Text};
use super::problem::Refusal;
use crate::app::follower::Followers;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_profiles))
        .routes(routes!(get_profile, save_profile))
        .layer(DefaultBodyLimit::max(MAX_SOURCE))
        .routes(routes!(get_revision))
        .routes(routes!(diff_revisions))
        .routes(routes!(roll_back))
        .routes(routes!(get_profile_schema))
}

/// Lists profiles.
#[utoipa::path(get, path = "/profiles", tag = "profiles",
    responses((status = 200, description = "All profiles.", body = [ProfileView])))]
async fn list_profiles(
    State(api): State<Api>,
    Viewer(right): Viewer,
) -> Result<Json<Vec<ProfileView>>, Refusal> {
    Ok(Json(api.app.list_profiles(&right).await?))
}

/// A profile, its revisions and where each is pinned.
#[utoipa::path(get, path = "/profiles/{name}", tag = "profiles", params(("name" = String, Path, description = "The profile's name.")),
    responses((status = 200, description = "The profile.", body = ProfileDetail)))]
async fn get_profile(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(name): Path<String>,
) -> Result<Json<ProfileDetail>, Refusal> {
    Ok(Json(api.app.show_profile(&right, name).await?))
}

/// Saves a revision. It reaches devices only where the profile was assigned to be followed, and only by who may assign.
#[utoipa::path(put, path = "/profiles/{name}", tag = "profiles", params(("name" = String, Path, description = "The profile's name."), DryRun),
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, description = "The revision saved, or the newest when nothing differs.",
        body = SavedRevision)))]
async fn save_profile(
    State(api): State<Api>,
    Administrator(right): Administrator,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<DryRun>,
    Text(source): Text,
) -> Result<Json<SavedRevision>, Refusal> {
    let may_assign = scope::reach(&caller.scopes, Noun::Assignments, Access::Write);
    let followers = if may_assign { Followers::Bring } else { Followers::Leave };
    Ok(Json(api.app.save_profile(&right, name, source, followers, query.trial()).await?))
}

/// One revision whole.
#[utoipa::path(get, path = "/profiles/{name}/revisions/{number}", tag = "profiles",
    params(("name" = String, Path, description = "The profile's name."), ("number" = u32, Path, description = "The revision's number.")),
    responses((status = 200, description = "The revision.", body = RevisionView)))]
async fn get_revision(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path((name, number)): Path<(String, u32)>,
) -> Result<Json<RevisionView>, Refusal> {
    Ok(Json(api.app.show_revision(&right, name, number).await?))
}

/// Which two revisions.
#[derive(Deserialize, utoipa::IntoParams)]
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
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(name): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<RevisionDiff>, Refusal> {
    Ok(Json(api.app.diff_revisions(&right, name, query.from, query.to).await?))
}

/// Takes every assignment of a profile back to what it pinned before; with conflicts nothing is done.
#[utoipa::path(post, path = "/profiles/{name}/rollback", tag = "profiles", request_body = Rollback,
    params(("name" = String, Path, description = "The profile's name."), DryRun),
    responses((status = 200, description = "What was or would be done.", body = RollbackResult)))]
async fn roll_back(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(name): Path<String>,
    Query(query): Query<DryRun>,
    Body(asked): Body<Rollback>,
) -> Result<Json<RollbackResult>, Refusal> {
    Ok(Json(api.app.roll_back(&right, name, asked, query.trial()).await?))
}

/// The JSON Schema of the profile language, for editors and forms.
#[utoipa::path(get, path = "/schema/profile", tag = "profiles",
    responses((status = 200, description = "The schema.", body = serde_json::Value,
        content_type = "application/schema+json")))]
async fn get_profile_schema(_: Viewer) -> Response {
    let schema = (header::CONTENT_TYPE, "application/schema+json");
    ([schema], Json(Profile::schema())).into_response()
}
