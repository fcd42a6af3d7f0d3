//! Devices: their list, their records, and letting them in or out.

use axum::Json;
use axum::http::StatusCode;
use muster_proto::rest::{
    Approve, Compliance, Device, DeviceDetail, DevicePatch, DeviceState, Import, Page, RevealedPassword,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, Path, Query, Text};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_devices))
        .routes(routes!(get_device, change_device))
        .routes(routes!(import_devices))
        .routes(routes!(approve_device))
        .routes(routes!(revoke_device))
        .routes(routes!(reveal_password))
}

/// Which devices, in what order.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeviceQuery {
    /// Part of a name, serial or owner.
    q: Option<String>,
    /// Only devices with this label.
    label: Option<String>,
    /// Only devices in this state.
    state: Option<DeviceState>,
    /// Only devices of this compliance.
    compliance: Option<Compliance>,
    /// The column to sort by.
    #[serde(default)]
    #[param(inline)]
    sort: DeviceSort,
    /// Where the page begins, from `next` of the page before.
    cursor: Option<String>,
    /// At most this many rows; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The order of devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
enum DeviceSort {
    /// By name.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// The worst compliance first.
    #[serde(rename = "compliance")]
    Compliance,
    /// The one heard of last comes first.
    #[serde(rename = "-last_seen")]
    LastSeen,
    /// The newest registration first.
    #[serde(rename = "-registered")]
    Registered,
}

/// Whether to do it or only to say what would be done.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DryRun {
    /// Change nothing; answer what would be.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// Lists devices, those never seen too.
#[utoipa::path(get, path = "/devices", tag = "devices", params(DeviceQuery),
    responses((status = 200, description = "One page of devices.", body = Page<Device>)))]
async fn list_devices(Query(_query): Query<DeviceQuery>) -> Result<Json<Page<Device>>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// One device with what keeps it from being compliant.
#[utoipa::path(get, path = "/devices/{id}", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = DeviceDetail)))]
async fn get_device(Path(_id): Path<String>) -> Result<Json<DeviceDetail>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Changes a device's name, owner or labels.
#[utoipa::path(patch, path = "/devices/{id}", tag = "devices", request_body = DevicePatch,
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device as it is now.", body = DeviceDetail)))]
async fn change_device(
    Path(_id): Path<String>,
    Body(_asked): Body<DevicePatch>,
) -> Result<Json<DeviceDetail>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Registers devices from CSV (serial,name,owner,labels), by serial, all or nothing.
#[utoipa::path(post, path = "/devices/import", tag = "devices", params(DryRun),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "What was or would be imported.", body = Import)))]
async fn import_devices(Query(_query): Query<DryRun>, Text(_csv): Text) -> Result<Json<Import>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Lets a waiting device in, by the code on its console.
#[utoipa::path(post, path = "/devices/{id}/approve", tag = "devices", request_body = Approve,
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = Device)))]
async fn approve_device(
    Path(_id): Path<String>,
    Body(_asked): Body<Approve>,
) -> Result<Json<Device>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Stops accepting the device's certificates and cuts its link.
#[utoipa::path(post, path = "/devices/{id}/revoke", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = Device)))]
async fn revoke_device(Path(_id): Path<String>) -> Result<Json<Device>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}

/// Shows an account's first-login password, once; the reveal is audited.
#[utoipa::path(post, path = "/devices/{id}/first-login-passwords/{account}/reveal", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial."),
        ("account" = String, Path, description = "Whose password.")),
    responses((status = 200, description = "The password.", body = RevealedPassword)))]
async fn reveal_password(
    Path((_id, _account)): Path<(String, String)>,
) -> Result<Json<RevealedPassword>, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "Not there yet",
        "This path has no operation behind it yet.",
    ))
}
