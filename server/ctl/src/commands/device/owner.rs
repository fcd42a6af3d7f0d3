//! `muster device owner`: whose a device is.

use clap::Args;
use muster_proto::rest::{DeviceDetail, DevicePatch};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output;

/// Give a device to a person, or to nobody
///
/// The account that a profile gives to the owner becomes the new one's; that of the old one is locked and keeps its home.
#[derive(Args)]
#[command(after_help = "Example:\n  muster device owner lap-ada ada\n  muster device owner lap-ada --none")]
pub(crate) struct Owner {
    /// Its name, serial or id
    device: String,
    /// Their username
    #[arg(required_unless_present = "none", conflicts_with = "none")]
    username: Option<String>,
    /// It is nobody's
    #[arg(long)]
    none: bool,
}

impl Owner {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let owner = Some(self.username.unwrap_or_default());
        let patch = DevicePatch { name: None, owner, labels: None };
        let detail: DeviceDetail = api.patch(&format!("/devices/{}", part(&self.device)), &patch).await?;
        let whose = detail.device.owner.map_or_else(|| "nobody's".to_owned(), |owner| format!("{owner}'s"));
        output::line(format!("{} is {whose}", detail.device.name))?;
        Ok(Ending::Fine)
    }
}
