//! Every change and refusal, the newest first.

use axum::Json;
use axum::extract::State;
use muster_proto::rest::{AuditEntry, Page};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Viewer;
use super::extract::Query;
use super::problem::Refusal;
use super::reported::PageQuery;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

/// The audit trail.
#[utoipa::path(get, path = "/audit", tag = "audit", params(PageQuery),
    responses((status = 200, description = "One page of the audit trail.", body = Page<AuditEntry>)))]
async fn list_audit(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, Refusal> {
    let limit = query.limit()?;
    Ok(Json(api.app.list_audit(&right, query.cursor, limit).await?))
}
