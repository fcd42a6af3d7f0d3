//! `muster-server admin`: lets an admin in again who is locked out, by root on the server's machine.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use muster_policy::rights::Identity;

use crate::account;
use crate::ca::Authority;
use crate::config::DataFolder;
use crate::serve::Record;

/// Let an admin in again who is locked out
#[derive(clap::Subcommand)]
#[command(after_help = "Example:\n  sudo muster-server admin reset kim")]
pub(crate) enum Admin {
    Reset(Reset),
}

/// Take an admin's password and codes away, and print a one-time link by which they choose anew
#[derive(clap::Args)]
#[command(after_help = "Example:\n  sudo muster-server admin reset kim")]
pub(crate) struct Reset {
    /// The login name
    name: String,
    /// The folder that setup made
    #[arg(long, default_value = "/var/lib/muster-server")]
    data: PathBuf,
}

impl Admin {
    /// Becomes who may safely work in the folder. To be called while the process has one thread.
    pub(crate) fn drop_rights(&self) -> Result<()> {
        let Self::Reset(reset) = self;
        account::become_owner_of(&reset.data)
    }

    /// Does it. The server may run meanwhile.
    pub(crate) async fn run(self) -> Result<()> {
        let Self::Reset(reset) = self;
        reset.run().await
    }
}

impl Reset {
    async fn run(self) -> Result<()> {
        let folder = DataFolder::at(&self.data);
        let config = folder.read_config()?;
        let authority = Authority::open(&folder.authority())?;
        let record = Record::open(&folder, &config, &authority).await?;
        let right = Identity::local_root().administer()?;
        let link = record
            .app
            .reset_admin(&right, self.name)
            .await
            .context("nothing was reset (without any admin yet: muster-server setup)")?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} has no password and no codes now, and is logged out everywhere.\n", link.name)?;
        writeln!(out, "  Link   {}", link.link)?;
        writeln!(out, "         lets them choose a password, once, until {}\n", link.expires)?;
        writeln!(out, "Next: open the link, or run: muster setup -")?;
        Ok(())
    }
}
