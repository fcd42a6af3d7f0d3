//! Devices that are lost, and found again.

use axum::Json;
use axum::extract::State;
use muster_proto::rest::{DeviceDetail, ReportLost};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Administrator, Caller};
use super::extract::{Body, Path};
use super::problem::Refusal;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(report_lost, take_back_lost))
}

/// Reports a device lost: its last order locks the accounts, ends their sessions and powers it off.
///
/// The order is given before anything else, at once or at the device's next contact. On its receipt the device's
/// certificates are revoked.
#[utoipa::path(post, path = "/devices/{id}/lost", tag = "devices", request_body = ReportLost,
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = DeviceDetail)))]
async fn report_lost(
    State(api): State<Api>,
    caller: Caller,
    Administrator(right): Administrator,
    Path(id): Path<String>,
    Body(asked): Body<ReportLost>,
) -> Result<Json<DeviceDetail>, Refusal> {
    let device = api.app.report_lost(&right, id, asked).await?;
    Ok(Json(api.app.show_device(&caller.identity.view(), device.to_string()).await?))
}

/// Takes a report back, as long as the device's receipt is not there.
#[utoipa::path(delete, path = "/devices/{id}/lost", tag = "devices",
    params(("id" = String, Path, description = "The device's id, name or serial.")),
    responses((status = 200, description = "The device.", body = DeviceDetail)))]
async fn take_back_lost(
    State(api): State<Api>,
    caller: Caller,
    Administrator(right): Administrator,
    Path(id): Path<String>,
) -> Result<Json<DeviceDetail>, Refusal> {
    let device = api.app.take_back_lost(&right, id).await?;
    Ok(Json(api.app.show_device(&caller.identity.view(), device.to_string()).await?))
}
