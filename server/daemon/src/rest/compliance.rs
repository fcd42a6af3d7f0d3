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
use super::reported::page_limit;

/// Rows when none are asked for.
const ROWS: u32 = 1000;

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
    /// Where the page begins, from `next` of the page before.
    cursor: Option<String>,
    /// At most this many rows; 1000 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The compliance of all enrolled devices, the worst first, page by page.
#[utoipa::path(get, path = "/compliance", tag = "compliance", params(ComplianceQuery),
    responses((status = 200, description = "One page of the report.", body = ComplianceReport)))]
async fn get_compliance(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<ComplianceQuery>,
) -> Result<Json<ComplianceReport>, Refusal> {
    let limit = page_limit(query.limit.or(Some(ROWS)))?;
    Ok(Json(api.app.compliance(&right, query.label, query.cursor, limit).await?))
}
