//! Every change and refusal, the newest first.

use axum::Json;
use axum::extract::State;
use muster_proto::Timestamp;
use muster_proto::rest::{AuditEntry, Page};
use muster_store::audit::{Filter, Target};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Viewer;
use super::extract::Query;
use super::problem::Refusal;
use super::reported::page_limit;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

/// Which entries. Everything that is given has to hold.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Part of who did it.
    actor: Option<String>,
    /// What was done, such as `device.approve`, or its noun, such as `device`.
    action: Option<String>,
    /// Part of what it was done to, or a device's name or serial; the whole of a device or label to which something was assigned.
    target: Option<String>,
    /// Not before.
    since: Option<Timestamp>,
    /// Not after.
    until: Option<Timestamp>,
    /// Where the page begins, from `next` of the page before.
    cursor: Option<String>,
    /// At most this many rows; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The audit trail.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "One page of the audit trail.", body = Page<AuditEntry>)))]
async fn list_audit(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, Refusal> {
    let limit = page_limit(query.limit)?;
    let filter = Filter {
        actor: query.actor,
        action: query.action,
        target: query.target.map(|part| Target { part, alias: None }),
        since: query.since,
        until: query.until,
    };
    Ok(Json(api.app.list_audit(&right, filter, query.cursor, limit).await?))
}
