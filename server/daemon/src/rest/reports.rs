//! What checks found, counted, and the report of it as JSON, CSV and one HTML page.

use askama::Template as _;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use muster_proto::rest::{By, ControlsReport, StandingsBy};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Viewer;
use super::extract::Query;
use super::problem::Refusal;
use crate::app::AppError;
use crate::app::controls::{MAX_DAYS, Scope};

mod html;
mod table;
#[cfg(test)]
mod tests;

/// Days of history when none are asked for.
const DAYS: u32 = 30;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_standings)).routes(routes!(get_report))
}

/// What to count by.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StandingsQuery {
    /// What is counted by.
    #[param(inline)]
    by: By,
    /// Only devices with this label.
    label: Option<String>,
    /// Days of history, today included; 30 when left out.
    #[param(minimum = 1, maximum = 366)]
    days: Option<u32>,
}

/// What is to be in the report, and as what it comes.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReportQuery {
    /// As what it comes; JSON when left out.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Only this control.
    control: Option<String>,
    /// Only devices with this label.
    label: Option<String>,
    /// Days of history, today included; 30 when left out.
    #[param(minimum = 1, maximum = 366)]
    days: Option<u32>,
}

/// As what a report comes.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// All of it.
    #[default]
    Json,
    /// A row for each device and check of a control.
    Csv,
    /// One page that stands alone.
    Html,
}

fn days(asked: Option<u32>) -> Result<u32, Refusal> {
    match asked.unwrap_or(DAYS) {
        days @ 1..=MAX_DAYS => Ok(days),
        _ => Err(Refusal::bad_request(format!("days: expected a number from 1 to {MAX_DAYS}."))),
    }
}

/// Counts what checks found, by device, profile, check, control or label, now and at the end of each day.
#[utoipa::path(get, path = "/compliance/standings", tag = "compliance", params(StandingsQuery),
    responses((status = 200, description = "The rows by name.", body = StandingsBy)))]
async fn get_standings(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<StandingsQuery>,
) -> Result<Json<StandingsBy>, Refusal> {
    let days = days(query.days)?;
    Ok(Json(api.app.standings_by(&right, query.by, query.label, days).await?))
}

/// The report of how devices stand with their controls. Every number in it is that of its rows.
#[utoipa::path(get, path = "/compliance/report", tag = "compliance", params(ReportQuery),
    responses((status = 200, description = "The report.", content(
        (ControlsReport = "application/json"), (String = "text/csv"), (String = "text/html")))))]
async fn get_report(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<ReportQuery>,
) -> Result<Response, Refusal> {
    let scope = Scope { control: query.control, label: query.label, days: days(query.days)? };
    let report = api.app.controls_report(&right, scope).await?;
    Ok(match query.format {
        Format::Json => Json(report).into_response(),
        Format::Csv => file(&report, "csv", "text/csv; charset=utf-8", csv(&report)?),
        Format::Html => file(&report, "html", "text/html; charset=utf-8", html(&report)?),
    })
}

fn csv(report: &ControlsReport) -> Result<String, AppError> {
    table::write(report).map_err(|error| AppError::Defect(format!("the report as CSV: {error}")))
}

fn html(report: &ControlsReport) -> Result<String, AppError> {
    let page = html::Page { report };
    page.render().map_err(|error| AppError::Defect(format!("the report as HTML: {error}")))
}

/// A file to be kept: a browser that opened it here would do so with this server's rights.
fn file(report: &ControlsReport, ending: &str, kind: &'static str, text: String) -> Response {
    let date: String = report.made.to_string().chars().take("2026-11-23".len()).collect();
    let name = format!("attachment; filename=\"muster-report-{date}.{ending}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], text).into_response()
}
