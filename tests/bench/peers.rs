//! The tools that Muster is measured against, on the same device.

use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_tests::Device;
use muster_tests::measure::{Spent, spent};

use crate::profile::Profile;

/// A tool that is run once and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// `cf-agent`, from Debian.
    Cfengine,
    /// `salt-call --local`, from `PyPI`: without a master, which costs it nothing.
    Salt,
}

/// Where the desired state lies on the device.
const FOLDER: &str = "/srv/desired";

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cfengine => "cfengine",
            Self::Salt => "salt",
        }
    }

    /// What the tool needs once before it can run.
    pub(crate) fn prepare(self, device: &Device<'_>) -> Result<()> {
        let within = |argv: &[&str]| device.exec_within(argv, Duration::from_secs(120))?.ok();
        match self {
            Self::Cfengine => {
                within(&["sh", "-c", "[ -e /var/lib/cfengine3/ppkeys/localhost.priv ] || cf-key"])?;
                // The first run of its own policy writes the package modules out of their templates.
                within(&["cf-agent", "--no-lock", "--file", "/var/lib/cfengine3/inputs/promises.cf"])
                    .context("CFEngine's own policy")?;
            }
            Self::Salt => {
                within(&["mkdir", "-p", "/etc/salt"])?;
                device.write_file("/etc/salt/minion", "file_client: local\nid: bench\n", 0o644)?;
            }
        }
        Ok(())
    }

    /// Puts the desired state where the tool reads it.
    pub(crate) fn wants(self, device: &Device<'_>, profile: &Profile) -> Result<()> {
        match self {
            Self::Cfengine => device.write_file(format!("{FOLDER}/wanted.cf"), profile.cfengine(), 0o600),
            Self::Salt => device.write_file(format!("{FOLDER}/wanted.sls"), profile.salt(), 0o600),
        }
    }

    /// One run, whatever there is to do.
    pub(crate) fn run(self, device: &Device<'_>) -> Result<Spent> {
        let cfengine = format!("{FOLDER}/wanted.cf");
        let argv: &[&str] = match self {
            Self::Cfengine => &["cf-agent", "--no-lock", "--file", &cfengine],
            Self::Salt => &[
                "/opt/salt/bin/salt-call",
                "--local",
                "--retcode-passthrough",
                "--state-output=changes",
                "--file-root",
                FOLDER,
                "state.apply",
                "wanted",
            ],
        };
        spent(device.command(argv)?).with_context(|| format!("{} did not run", self.name()))
    }
}
