//! Two machines under one identity: noticed by the boots that follow as it, and both held.

use muster_policy::twins::{self, Met};
use muster_proto::rest::{Compliance, DeviceState, MachineView, TwinView};
use muster_proto::{DeviceId, Timestamp};
use muster_store::{StoreError, Tx, boot};
use serde_json::json;
use uuid::Uuid;

use super::App;
use super::audit::{self, Act};

impl App {
    /// A boot follows as a device, or would if its certificate were the newest. When it is one that another has followed,
    /// both machines are held.
    pub(crate) async fn meet(
        &self,
        device: DeviceId,
        booted: Uuid,
        address: String,
    ) -> Result<Met, StoreError> {
        let (at, booted) = (self.now(), booted.to_string());
        let known = self.store().read(move |tx| boot::of_device(tx, device)).await?;
        // Devices that all reconnect at once write nothing.
        if known.first().is_some_and(|newest| newest.boot == booted && newest.address == address) {
            return Ok(Met::Same);
        }
        self.store()
            .write(move |tx| {
                let known = boot::of_device(tx, device)?;
                let met = twins::meet(known.iter().map(|known| known.boot.as_str()), &booted);
                match met {
                    Met::New => boot::begin(tx, device, &booted, &address, at)?,
                    Met::Same => boot::again(tx, device, &booted, &address, at)?,
                    Met::Another => {
                        boot::again(tx, device, &booted, &address, at)?;
                        hold(tx, device, &known, &booted, at)?;
                    }
                }
                Ok(met)
            })
            .await
    }

    /// Whether the device has ever said which kernel it runs.
    pub(crate) async fn has_told_boots(&self, device: DeviceId) -> Result<bool, StoreError> {
        Ok(self.store().read(move |tx| boot::newest(tx, device)).await?.is_some())
    }

    /// Whether this boot is the one that was seen first last: a link of an earlier one is over, or another machine's.
    pub(crate) async fn is_newest(&self, device: DeviceId, booted: Uuid) -> Result<bool, StoreError> {
        let newest = self.store().read(move |tx| boot::newest(tx, device)).await?;
        Ok(newest.is_none_or(|newest| newest == booted.to_string()))
    }
}

/// Holds both machines: neither is heard any more, and what they have stays as it is.
fn hold(
    tx: &mut Tx<'_>,
    device: DeviceId,
    known: &[MachineView],
    booted: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row = muster_store::device::get(tx, device)?;
    let heard = row.is_some_and(|row| matches!(row.state, DeviceState::Enrolled | DeviceState::Ready));
    let back = boot::of_device(tx, device)?.into_iter().find(|machine| machine.boot == booted);
    let (Some(newest), Some(back), true) = (known.first().cloned(), back, heard) else { return Ok(()) };
    // The one that came back was there before the newest.
    let twins = TwinView { since: at, machines: [back, newest] };
    boot::put_twins(tx, device, &twins)?;
    muster_store::reenrollment::end(tx, device)?;
    muster_store::device::set_state(tx, device, DeviceState::Held)?;
    muster_store::device::set_compliance(tx, device, Compliance::Unknown, 0)?;
    let act = Act { at, actor: "server", action: "device.hold" };
    audit::write(tx, act, &device.to_string(), json!({"machines": twins.machines}))
}
