//! How the fleet stands, device by device.

use axum::Json;
use axum::extract::State;
use muster_proto::rest::ComplianceReport;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Viewer;
use super::extract::Query;
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_compliance))
}

/// Which devices.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ComplianceQuery {
    /// Only devices with this label.
    label: Option<String>,
}

/// The compliance of all enrolled devices, the worst first.
#[utoipa::path(get, path = "/compliance", tag = "compliance", params(ComplianceQuery),
    responses((status = 200, description = "The report.", body = ComplianceReport)))]
async fn get_compliance(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<ComplianceQuery>,
) -> Result<Json<ComplianceReport>, Refusal> {
    Ok(Json(api.app.compliance(&right, query.label).await?))
}
