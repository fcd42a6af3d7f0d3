//! What a device reported: resources, checks, history and tables.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{CheckView, HistoryEntry, Page, ResourceView, TableView};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Path, Query};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_resources))
        .routes(routes!(list_checks))
        .routes(routes!(list_history))
        .routes(routes!(get_table))
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Where the page begins, from `next` of the page before.
    pub(super) cursor: Option<String>,
    /// At most this many rows; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
}

/// The device's resources and what became of them.
#[utoipa::path(get, path = "/devices/{id}/resources", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "All its resources.", body = [ResourceView])))]
async fn list_resources(Path(_id): Path<String>) -> Result<Json<Vec<ResourceView>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// The device's checks and their results.
#[utoipa::path(get, path = "/devices/{id}/checks", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "All its checks.", body = [CheckView])))]
async fn list_checks(Path(_id): Path<String>) -> Result<Json<Vec<CheckView>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// What happened on the device, the newest first.
#[utoipa::path(get, path = "/devices/{id}/history", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial."), PageQuery),
    responses((status = 200, description = "One page of its history.", body = Page<HistoryEntry>)))]
async fn list_history(
    Path(_id): Path<String>,
    Query(_query): Query<PageQuery>,
) -> Result<Json<Page<HistoryEntry>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// A table as the device last reported it, such as `deb_packages` or `users`.
#[utoipa::path(get, path = "/devices/{id}/tables/{name}", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial."),
        ("name" = String, Path, description = "The table's name.")),
    responses((status = 200, description = "The table.", body = TableView)))]
async fn get_table(Path((_id, _name)): Path<(String, String)>) -> Result<Json<TableView>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
