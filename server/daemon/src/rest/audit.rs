//! Every change and refusal, the newest first.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{AuditEntry, Page};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::Query;
use super::problem::Refusal;
use super::reported::PageQuery;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

/// The audit trail.
#[utoipa::path(get, path = "/audit", tag = "audit", params(PageQuery),
    responses((status = 200, description = "One page of the audit trail.", body = Page<AuditEntry>)))]
async fn list_audit(Query(_query): Query<PageQuery>) -> Result<Json<Page<AuditEntry>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
