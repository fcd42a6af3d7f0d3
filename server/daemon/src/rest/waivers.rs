//! Waivers: accepted failures of checks.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use muster_proto::rest::{NewWaiver, WaiverView};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Viewer};
use super::extract::{Body, Path, Query};
use super::problem::Refusal;
use crate::app::waiver::Which;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_waivers, create_waiver)).routes(routes!(end_waiver))
}

/// Which waivers.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WaiverQuery {
    /// Those too that have ended.
    #[serde(default)]
    all: bool,
}

/// Lists waivers: those in force, the next to end first, or all that ever were, the newest first.
#[utoipa::path(get, path = "/waivers", tag = "waivers", params(WaiverQuery),
    responses((status = 200, description = "The waivers.", body = [WaiverView])))]
async fn list_waivers(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<WaiverQuery>,
) -> Result<Json<Vec<WaiverView>>, Refusal> {
    let which = if query.all { Which::All } else { Which::InForce };
    Ok(Json(api.app.list_waivers(&right, which).await?))
}

/// Accepts the failure of a check on some devices for a time.
#[utoipa::path(post, path = "/waivers", tag = "waivers", request_body = NewWaiver,
    responses((status = 201, description = "The waiver.", body = WaiverView)))]
async fn create_waiver(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Body(asked): Body<NewWaiver>,
) -> Result<(StatusCode, Json<WaiverView>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.waive(&right, asked).await?)))
}

/// Ends a waiver before its time; what it covered fails again. Its record stays.
#[utoipa::path(delete, path = "/waivers/{id}", tag = "waivers",
    params(("id" = String, Path, description = "The waiver's id.")),
    responses((status = 200, description = "The waiver as it ended.", body = WaiverView)))]
async fn end_waiver(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<Json<WaiverView>, Refusal> {
    Ok(Json(api.app.end_waiver(&right, id).await?))
}
