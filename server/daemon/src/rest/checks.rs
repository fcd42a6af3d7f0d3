//! Checks and controls over all devices.

use axum::Json;
use axum::extract::State;
use muster_proto::rest::{
    CheckDetail, CheckInterval, CheckSummary, CheckedDevice, ControlDetail, Finding, Page,
};
use muster_store::check::fleet::Filter;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Viewer;
use super::extract::{Path, Query};
use super::problem::Refusal;
use super::reported::page_limit;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_all_checks))
        .routes(routes!(get_check))
        .routes(routes!(list_check_devices))
        .routes(routes!(get_control))
        .routes(routes!(list_control_devices))
        .routes(routes!(list_check_intervals))
}

/// Which results.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ResultQuery {
    /// Only devices that find this; of those that fail, `waived` are those where that is accepted, and `unwaived` all others.
    #[param(inline)]
    verdict: Option<Finding>,
    /// Only results of this revision, as `base@3`.
    profile: Option<String>,
    /// Where the page begins, from `next` of the page before.
    cursor: Option<String>,
    /// At most this many rows; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl ResultQuery {
    fn filter(&self, checks: Vec<String>) -> Result<Filter, Refusal> {
        let revision = self.profile.as_deref().map(|profile| {
            let parts = profile.split_once('@').map(|(name, number)| (name.to_owned(), number.parse()));
            match parts {
                Some((name, Ok(number))) => Ok((name, number)),
                _ => Err(Refusal::bad_request("profile: write it with its revision, as base@3.")),
            }
        });
        Ok(Filter { checks, finding: self.verdict, revision: revision.transpose()? })
    }
}

/// Lists checks with what devices find.
#[utoipa::path(get, path = "/checks", tag = "checks",
    responses((status = 200, description = "All checks that are assigned or that results are still of.", body = [CheckSummary])))]
async fn list_all_checks(
    State(api): State<Api>,
    Viewer(right): Viewer,
) -> Result<Json<Vec<CheckSummary>>, Refusal> {
    Ok(Json(api.app.list_checks(&right).await?))
}

/// One check with its question and how it stood day by day.
#[utoipa::path(get, path = "/checks/{id}", tag = "checks",
    params(("id" = String, Path, description = "The check's id.")),
    responses((status = 200, description = "The check.", body = CheckDetail)))]
async fn get_check(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
) -> Result<Json<CheckDetail>, Refusal> {
    Ok(Json(api.app.show_check(&right, id).await?))
}

/// What devices find for a check, the worst first, with the rows that show it.
#[utoipa::path(get, path = "/checks/{id}/devices", tag = "checks",
    params(("id" = String, Path, description = "The check's id."), ResultQuery),
    responses((status = 200, description = "One page of results.", body = Page<CheckedDevice>)))]
async fn list_check_devices(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
    Query(query): Query<ResultQuery>,
) -> Result<Json<Page<CheckedDevice>>, Refusal> {
    let (limit, filter) = (page_limit(query.limit)?, query.filter(vec![id])?);
    Ok(Json(api.app.check_devices(&right, None, filter, query.cursor, limit).await?))
}

/// A control of an outside catalogue with the checks that give evidence for it.
#[utoipa::path(get, path = "/controls/{id}", tag = "checks",
    params(("id" = String, Path, description = "The control, such as CIS-5.4.1.")),
    responses((status = 200, description = "The control.", body = ControlDetail)))]
async fn get_control(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
) -> Result<Json<ControlDetail>, Refusal> {
    Ok(Json(api.app.show_control(&right, id).await?))
}

/// What devices find for the checks of a control, the worst first.
#[utoipa::path(get, path = "/controls/{id}/devices", tag = "checks",
    params(("id" = String, Path, description = "The control, such as CIS-5.4.1."), ResultQuery),
    responses((status = 200, description = "One page of results.", body = Page<CheckedDevice>)))]
async fn list_control_devices(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
    Query(query): Query<ResultQuery>,
) -> Result<Json<Page<CheckedDevice>>, Refusal> {
    let (limit, filter) = (page_limit(query.limit)?, query.filter(Vec::new())?);
    Ok(Json(api.app.check_devices(&right, Some(id), filter, query.cursor, limit).await?))
}

/// The results that a check had on a device in the last thirty days, the newest first and at most two hundred.
#[utoipa::path(get, path = "/devices/{id}/checks/{check}", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial."),
        ("check" = String, Path, description = "The check's id.")),
    responses((status = 200, description = "Its intervals.", body = [CheckInterval])))]
async fn list_check_intervals(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path((id, check)): Path<(String, String)>,
) -> Result<Json<Vec<CheckInterval>>, Refusal> {
    Ok(Json(api.app.check_intervals(&right, id, check).await?))
}
