//! What a device reported: resources, checks, history and tables.

use axum::Json;
use axum::extract::State;
use muster_proto::rest::{CheckView, HistoryEntry, Page, ResourceView, TableView};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Viewer;
use super::extract::{Path, Query};
use super::problem::Refusal;

/// Rows of a page when none are asked for, and at most.
const ROWS: (u32, u32) = (100, 1000);

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_resources))
        .routes(routes!(list_checks))
        .routes(routes!(list_history))
        .routes(routes!(get_table))
}

/// Which page.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Where the page begins, from `next` of the page before.
    pub(super) cursor: Option<String>,
    /// At most this many rows; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
}

impl PageQuery {
    /// How many rows are asked for.
    pub(super) fn limit(&self) -> Result<u32, Refusal> {
        page_limit(self.limit)
    }
}

/// How many rows a page gets.
pub(super) fn page_limit(asked: Option<u32>) -> Result<u32, Refusal> {
    let (default, most) = ROWS;
    match asked {
        None => Ok(default),
        Some(rows) if (1..=most).contains(&rows) => Ok(rows),
        Some(_) => Err(Refusal::bad_request(format!("limit is 1 to {most}: take the rest page by page."))),
    }
}

/// The device's resources and what became of them.
#[utoipa::path(get, path = "/devices/{id}/resources", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "All its resources.", body = [ResourceView])))]
async fn list_resources(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
) -> Result<Json<Vec<ResourceView>>, Refusal> {
    Ok(Json(api.app.device_resources(&right, id).await?))
}

/// The device's checks and their results.
#[utoipa::path(get, path = "/devices/{id}/checks", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "All its checks.", body = [CheckView])))]
async fn list_checks(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
) -> Result<Json<Vec<CheckView>>, Refusal> {
    Ok(Json(api.app.device_checks(&right, id).await?))
}

/// What happened on the device, the newest first.
#[utoipa::path(get, path = "/devices/{id}/history", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial."), PageQuery),
    responses((status = 200, description = "One page of its history.", body = Page<HistoryEntry>)))]
async fn list_history(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<HistoryEntry>>, Refusal> {
    let limit = query.limit()?;
    Ok(Json(api.app.device_history(&right, id, query.cursor, limit).await?))
}

/// A table as the device last reported it, such as `deb_packages` or `users`.
#[utoipa::path(get, path = "/devices/{id}/tables/{name}", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial."),
        ("name" = String, Path, description = "The table's name.")),
    responses((status = 200, description = "The table.", body = TableView)))]
async fn get_table(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<TableView>, Refusal> {
    Ok(Json(api.app.device_table(&right, id, name).await?))
}
