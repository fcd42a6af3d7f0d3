//! `/etc/muster/agent.toml`: what the device's owner says. Everything may be left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The owner's settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The serial, where the firmware has none or a wrong one.
    pub(crate) serial: Option<String>,
    /// Kinds of resource that this device never takes from a server.
    pub(crate) deny_kinds: BTreeSet<String>,
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
            state_dir: "/var/lib/muster".into(),
            join_file: "/etc/muster/join.toml".into(),
        }
    }
}

impl Config {
    /// Reads the configuration; a file that is not there means the defaults.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("{} can't be read", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
        }
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
