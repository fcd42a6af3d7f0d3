//! `/etc/muster/agent.toml`: what the device's owner says. Everything may be left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use muster_converge::trial;
use serde::Deserialize;

use crate::host::packages::Manager;

/// The owner's settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The serial, where the firmware has none or a wrong one.
    pub(crate) serial: Option<String>,
    /// Kinds of resource that this device never takes from a server.
    pub(crate) deny_kinds: BTreeSet<String>,
    /// The package manager, where a device has both and uses another one than the one that is found.
    pub(crate) packages: Option<Manager>,
    /// How many seconds the server may take to be reached after a change that can cut the device off; 5 to 3,600.
    pub(crate) reach_within_seconds: u64,
    /// Where the agent keeps its identity and ledger.
    pub(crate) state_dir: PathBuf,
    /// The join file that is looked for at the first start.
    pub(crate) join_file: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            serial: None,
            deny_kinds: BTreeSet::new(),
            packages: None,
            reach_within_seconds: trial::PATIENCE.as_secs(),
            state_dir: "/var/lib/muster".into(),
            join_file: "/etc/muster/join.toml".into(),
        }
    }
}

impl Config {
    /// Reads the configuration; a file that is not there means the defaults.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.with_context(|| format!("{} can't be read", path.display()))?,
        };
        let config: Self =
            toml::from_str(&text).with_context(|| format!("{} can't be read", path.display()))?;
        ensure!(
            (5..=3600).contains(&config.reach_within_seconds),
            "{}: reach_within_seconds is from 5 to 3600",
            path.display()
        );
        Ok(config)
    }

    /// Where the ledger is.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.state_dir.join("ledger.db")
    }

    /// Where the identity is.
    pub(crate) fn identity(&self) -> PathBuf {
        self.state_dir.join("identity")
    }
}
