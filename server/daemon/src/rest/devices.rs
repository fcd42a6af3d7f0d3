//! Devices: their list, their records, and letting them in or out.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use muster_policy::scope::{self, Access, Noun};
use muster_proto::rest::{
    AllowReenroll, Approve, Compliance, Device, DeviceDetail, DevicePatch, DeviceState, Import, Page,
    RevealedPassword,
};
use muster_store::device::{Filter, Sort};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Caller, Viewer};
use super::extract::{Body, Path, Query, Text};
use super::problem::Refusal;
use super::reported::page_limit;
use crate::app::import::{NewOwners, Trial};

/// A file of 100,000 devices.
const MAX_IMPORT: usize = 16 * 1024 * 1024;

pub(super) fn router() -> OpenApiRouter<Api> {
    let import =
        OpenApiRouter::new().routes(routes!(import_devices)).layer(DefaultBodyLimit::max(MAX_IMPORT));
    OpenApiRouter::new()
        .merge(import)
        .routes(routes!(list_devices))
        .routes(routes!(get_device, change_device, delete_device))
        .routes(routes!(approve_device))
        .routes(routes!(revoke_device))
        .routes(routes!(allow_reenroll))
        .routes(routes!(apply_now))
        .routes(routes!(reveal_password))
}

/// Which devices, in what order.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeviceQuery {
    /// Part of a name, serial or owner.
    q: Option<String>,
    /// Only devices with this label.
    label: Option<String>,
    /// Only enrolled devices with any revision of this profile in their state.
    profile: Option<String>,
    /// Only devices in this state.
    state: Option<DeviceState>,
    /// Only devices of this compliance, of those that are counted: enrolled, and neither held, lost nor revoked.
    compliance: Option<Compliance>,
    /// Only devices that assignments and pauses reach: neither lost nor revoked.
    #[serde(default)]
    reached: bool,
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

/// The order of devices. Equal ones go by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeviceSort {
    /// By name.
    #[default]
    Name,
    /// The most failures first.
    Failing,
    /// The worst compliance first.
    Compliance,
    /// Heard of last first; never seen after all.
    LastSeen,
    /// The newest registration first.
    Registered,
}

impl From<DeviceSort> for Sort {
    fn from(sort: DeviceSort) -> Self {
        match sort {
            DeviceSort::Name => Self::Name,
            DeviceSort::Failing => Self::Failing,
            DeviceSort::Compliance => Self::Compliance,
            DeviceSort::LastSeen => Self::LastSeen,
            DeviceSort::Registered => Self::Registered,
        }
    }
}

/// Whether to do it or only to say what would be done.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DryRun {
    /// Change nothing; answer what would be.
    #[serde(default)]
    dry_run: bool,
}

impl DryRun {
    /// As operations take it.
    pub(super) fn trial(&self) -> Trial {
        if self.dry_run { Trial::Dry } else { Trial::Real }
    }
}

/// Lists devices, those never seen too.
#[utoipa::path(get, path = "/devices", tag = "devices", params(DeviceQuery),
    responses((status = 200, description = "One page of devices.", body = Page<Device>)))]
async fn list_devices(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<DeviceQuery>,
) -> Result<Json<Page<Device>>, Refusal> {
    let limit = page_limit(query.limit)?;
    let filter = Filter {
        text: query.q,
        label: query.label,
        profile: query.profile,
        state: query.state,
        compliance: query.compliance,
        reached: query.reached,
        ..Filter::default()
    };
    Ok(Json(api.app.list_devices(&right, filter, query.sort.into(), query.cursor, limit).await?))
}

/// One device with what keeps it from being compliant.
#[utoipa::path(get, path = "/devices/{id}", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = DeviceDetail)))]
async fn get_device(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Path(id): Path<String>,
) -> Result<Json<DeviceDetail>, Refusal> {
    Ok(Json(api.app.show_device(&right, id).await?))
}

/// Changes a device's name, owner or labels.
#[utoipa::path(patch, path = "/devices/{id}", tag = "devices", request_body = DevicePatch,
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device as it is now.", body = DeviceDetail)))]
async fn change_device(
    State(api): State<Api>,
    caller: Caller,
    Administrator(right): Administrator,
    Path(id): Path<String>,
    Body(asked): Body<DevicePatch>,
) -> Result<Json<DeviceDetail>, Refusal> {
    let device = api.app.change_device(&right, id, asked).await?;
    Ok(Json(api.app.show_device(&caller.identity.view(), device.id).await?))
}

/// Deletes a device that never enrolled, is revoked, or is lost with its receipt; the audit keeps what was done with it.
#[utoipa::path(delete, path = "/devices/{id}", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 204, description = "The device is deleted.")))]
async fn delete_device(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    api.app.delete_device(&right, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Registers devices from CSV (serial,name,owner,labels), by serial, all or nothing.
#[utoipa::path(post, path = "/devices/import", tag = "devices", params(DryRun),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "What was or would be imported.", body = Import)))]
async fn import_devices(
    State(api): State<Api>,
    Administrator(right): Administrator,
    caller: Caller,
    Query(query): Query<DryRun>,
    Text(csv): Text,
) -> Result<Json<Import>, Refusal> {
    let may_add = scope::reach(&caller.scopes, Noun::People, Access::Write);
    let newcomers = if may_add { NewOwners::Add } else { NewOwners::Refuse };
    Ok(Json(api.app.import_devices(&right, csv, newcomers, query.trial()).await?))
}

/// Lets a waiting device in, by the code on its console.
#[utoipa::path(post, path = "/devices/{id}/approve", tag = "devices", request_body = Approve,
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = Device)))]
async fn approve_device(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
    Body(asked): Body<Approve>,
) -> Result<Json<Device>, Refusal> {
    Ok(Json(api.app.approve_device(&right, id, asked).await?))
}

/// Stops accepting the device's certificates and cuts its link.
#[utoipa::path(post, path = "/devices/{id}/revoke", tag = "devices", params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = Device)))]
async fn revoke_device(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<Json<Device>, Refusal> {
    Ok(Json(api.app.revoke_device(&right, id).await?))
}

/// Lets one new key enroll as this device for a while; its record stays.
#[utoipa::path(post, path = "/devices/{id}/allow-reenroll", tag = "devices", request_body = AllowReenroll,
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = Device)))]
async fn allow_reenroll(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
    Body(asked): Body<AllowReenroll>,
) -> Result<Json<Device>, Refusal> {
    Ok(Json(api.app.allow_reenroll(&right, id, asked).await?))
}

/// Has a connected device look at all that it should have, and converge, now.
#[utoipa::path(post, path = "/devices/{id}/apply-now", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device, which was asked.", body = Device)))]
async fn apply_now(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<Json<Device>, Refusal> {
    Ok(Json(api.app.apply_now(&right, id).await?))
}

/// Shows an account's first-login password, once; the reveal is audited.
#[utoipa::path(post, path = "/devices/{id}/first-login-passwords/{account}/reveal", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial."),
        ("account" = String, Path, description = "Whose password.")),
    responses((status = 200, description = "The password.", body = RevealedPassword)))]
async fn reveal_password(
    State(api): State<Api>,
    Administrator(right): Administrator,
    Path((id, account)): Path<(String, String)>,
) -> Result<Json<RevealedPassword>, Refusal> {
    Ok(Json(api.app.reveal_password(&right, id, account).await?))
}
