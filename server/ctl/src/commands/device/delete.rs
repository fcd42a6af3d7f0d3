//! `muster device delete`: forget a device that is not in.

use clap::Args;
use muster_proto::rest::DeviceDetail;

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output;
use crate::terminal::Consent;

/// Delete a device that never enrolled, is revoked, or is lost and gave its receipt
///
/// Its name and serial are free again, and what was assigned to it alone ends. What it reported is gone; the audit keeps
/// what was done with it. Revoke a device that is still in use first.
#[derive(Args)]
#[command(after_help = "Example:\n  muster device revoke lap-ada\n  muster device delete lap-ada")]
pub(crate) struct Delete {
    /// Its name, serial or id
    device: String,
    #[command(flatten)]
    consent: Consent,
}

impl Delete {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let DeviceDetail { device, .. } = api.get(&format!("/devices/{}", part(&self.device))).await?;
        let about = format!(
            "{} (serial {}, {}) and all that it reported will be gone.",
            device.name,
            device.serial,
            output::word(&device.state)
        );
        self.consent.ask_for_name(&about, &device.name, "nothing was deleted")?;
        api.delete(&format!("/devices/{}", part(&device.id))).await?;
        output::line(format!("{} is deleted.", device.name))?;
        output::note(format!("What was done with it: muster audit --target {}", device.id));
        Ok(Ending::Fine)
    }
}
