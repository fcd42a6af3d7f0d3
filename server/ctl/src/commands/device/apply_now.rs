//! `muster device apply-now`: has a device converge without waiting for its next turn.

use clap::Args;
use muster_proto::rest::Device;

use super::path;
use crate::api::Api;
use crate::failure::{Ending, Failure};
use crate::output;

/// Have a connected device look at all that it should have, and converge, now
///
/// Devices do so by themselves when something changes and every 15 minutes.
#[derive(Args)]
#[command(after_help = "Example:\n  muster device apply-now lap-ada")]
pub(crate) struct ApplyNow {
    /// Its name, serial or id
    device: String,
}

impl ApplyNow {
    pub(super) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let device: Device = api.act(&format!("{}/apply-now", path(&self.device))).await?;
        output::line(format!("{} was told. What comes of it: muster why {0}", device.name))?;
        Ok(Ending::Fine)
    }
}
