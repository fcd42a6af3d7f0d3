//! What is remembered between two looks: since when updates wait, and when lists were fetched. It is the agent's own and outlasts a
//! reboot; without it a device only waits anew.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, Result};
use muster_converge::reboot::Reboot;
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::host::updates::Update;

const FILE: &str = "updates.json";

/// All times are in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// When the lists of all repositories were last fetched.
    pub(super) fetched: Option<i64>,
    /// When that was last tried.
    pub(super) tried: Option<i64>,
    /// Since when it fails, and why it last did.
    pub(super) trouble: Option<(i64, String)>,
    /// Whether packages are being changed: what is half-way there then was cut off by whatever ended the agent.
    pub(super) installing: bool,
    /// The reboot that is planned or was last ordered.
    pub(super) reboot: Option<Reboot>,
    /// Since when there has been an update of a package.
    pub(super) waiting: BTreeMap<String, i64>,
}

impl Memory {
    /// Memory that can't be read is none: it only tells since when.
    pub(super) fn load(host: &Host) -> Self {
        let bytes = fs::read(host.state.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub(super) fn keep(&self, host: &Host) -> Result<()> {
        let (path, new) = (host.state.join(FILE), host.state.join("updates.json.new"));
        let write = || -> Result<()> {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            Ok(File::open(&host.state)?.sync_all()?)
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// Forgets what waited for a policy that holds no more.
    pub(super) fn forget_waiting(host: &Host) -> Result<()> {
        let memory = Self::load(host);
        if memory.waiting.is_empty() {
            return Ok(());
        }
        Self { waiting: BTreeMap::new(), ..memory }.keep(host)
    }

    /// Notes what there is now. What waited before goes on doing so, also where there is an even newer version by now.
    pub(super) fn note(&mut self, updates: &[Update], now: i64) {
        let since = |update: &Update| {
            let since = self.waiting.get(&update.name).copied().unwrap_or(now).min(now);
            (update.name.clone(), since)
        };
        self.waiting = updates.iter().map(since).collect();
    }

    /// Since when the oldest update waits.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.waiting.values().copied().min()
    }
}
