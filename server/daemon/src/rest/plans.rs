//! What a device would do with a profile.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use muster_proto::rest::{DevicePlan, NewDevicePlan};
use muster_proto::yaml::MAX_SOURCE;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Administrator;
use super::extract::{Body, Path};
use super::problem::Refusal;

/// A source text as a JSON string, most of whose characters take one byte and some two.
const MAX_BODY: usize = 2 * MAX_SOURCE;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(plan_on_device)).layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Asks a device what it would do with this profile in place of the revision that is pinned for it, or else newly
/// assigned; nothing is saved. Waits for its answer for half a minute.
#[utoipa::path(post, path = "/devices/{id}/plan", tag = "devices", request_body = NewDevicePlan,
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device's own plan.", body = DevicePlan)))]
async fn plan_on_device(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
    Body(asked): Body<NewDevicePlan>,
) -> Result<Json<DevicePlan>, Refusal> {
    Ok(Json(api.app.plan_on(&right, id, asked).await?))
}
