//! Has a device look and converge now instead of at its next turn.

use muster_policy::rights::AdminRight;
use muster_proto::rest::{Device, DeviceState};
use muster_store::Change;
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, device};

impl App {
    /// Tells the device to converge now; refused when it is not connected, as it does so anyway when it connects.
    pub(crate) async fn apply_now(&self, right: &AdminRight, called: String) -> Result<Device, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        self.store()
            .write(move |tx| {
                let device = device::find(tx, &called)?;
                if !matches!(device.state, DeviceState::Enrolled | DeviceState::Ready) {
                    return Err(AppError::Invalid(format!(
                        "{} has no agent that could be told: see muster why {0}",
                        device.name
                    )));
                }
                if !presence.is_connected(device.id) {
                    return Err(AppError::Away(format!(
                        "{} is not connected, and converges by itself as soon as it is: see muster why {0}",
                        device.name
                    )));
                }
                let act = Act { at, actor: &actor, action: "device.apply_now" };
                audit::write(tx, act, &device.id.to_string(), json!({}))?;
                tx.tell(Change::ApplyNow(device.id));
                device::fresh(tx, &device, &presence, at)
            })
            .await
    }
}
