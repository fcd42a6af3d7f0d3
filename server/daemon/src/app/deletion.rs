//! Deleting the record of a device that is not in: its name and serial are free again, and the audit keeps what it was.

use muster_policy::deletion;
use muster_policy::rights::AdminRight;
use muster_proto::DeviceId;
use muster_store::Tx;
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, assign, device, pause, rollout, waiver};

impl App {
    /// Whether a device of this id was deleted.
    pub(crate) async fn was_deleted(&self, device: DeviceId) -> Result<bool, muster_store::StoreError> {
        let deleted =
            move |tx: &mut Tx<'_>| muster_store::audit::on(tx, "device.delete", &device.to_string(), 1);
        Ok(!self.store().read(deleted).await?.is_empty())
    }

    /// Deletes a device with all that is recorded of it, and ends what was made for it alone. `called` is its id, name or
    /// serial.
    pub(crate) async fn delete_device(&self, right: &AdminRight, called: String) -> Result<(), AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let device = device::find(tx, &called)?;
                deletion::may_delete(device.state)
                    .map_err(|why| AppError::Invalid(format!("{} {why}", device.name)))?;
                let act = Act { at, actor: &actor, action: "device.delete" };
                end_its_own(tx, device.id, act)?;
                let labels = muster_store::label::of_device(tx, device.id)?;
                muster_store::removal::leave(tx, device.id)?;
                muster_store::device::remove(tx, device.id)?;
                let detail = json!({
                    "name": device.name, "serial": device.serial, "owner": device.owner, "labels": labels,
                    "state": device.state, "registered": device.registered, "enrolled": device.enrolled,
                    "last_seen": device.last_seen,
                });
                audit::write(tx, act, &device.id.to_string(), detail)?;
                Ok(())
            })
            .await
    }
}

/// Ends what names this device and no other. A rollout to it has to be decided first.
fn end_its_own(tx: &mut Tx<'_>, id: DeviceId, act: Act<'_>) -> Result<(), AppError> {
    let own = |kind: &str, target: &str| kind == "device" && target == id.to_string();
    for open in muster_store::rollout::open(tx)? {
        if own(&open.assignment.target_kind, &open.assignment.target) {
            rollout::refuse_open(tx, &open.assignment)?;
        }
    }
    for row in muster_store::assignment::list(tx)? {
        if own(&row.target_kind, &row.target) {
            assign::end(tx, &row, Act { action: "assignment.end", ..act })?;
        }
    }
    for row in muster_store::pause::list(tx)? {
        if own(&row.target_kind, &row.target) {
            pause::end(tx, &row, Act { action: "pause.end", ..act })?;
        }
    }
    for row in muster_store::waiver::in_force(tx)? {
        if own(&row.target_kind, &row.target) {
            waiver::end(tx, &row, Act { action: "waiver.end", ..act })?;
        }
    }
    Ok(())
}
