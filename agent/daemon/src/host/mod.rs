//! The machine as it is: the only place in the agent that touches files, accounts, packages, units and commands.
//!
//! Nothing here knows what is desired. Every path is reached through [`walk::Root`], every command goes through
//! [`run`], and what was read is remembered only as long as the kernel says that it has not changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::artifacts::{Artifacts, Heard};

pub(crate) mod account_files;
pub(crate) mod accounts;
pub(crate) mod dpkg;
pub(crate) mod edit;
pub(crate) mod files;
pub(crate) mod locales;
pub(crate) mod meter;
pub(crate) mod network_manager;
pub(crate) mod nftables;
pub(crate) mod packages;
pub(crate) mod power;
pub(crate) mod processes;
pub(crate) mod rpm;
pub(crate) mod run;
pub(crate) mod subuid;
pub(crate) mod systemd;
pub(crate) mod temporary;
pub(crate) mod tree;
pub(crate) mod unpack;
pub(crate) mod updates;
pub(crate) mod version;
pub(crate) mod walk;

/// The machine. One owner: the convergence thread.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) root: walk::Root,
    pub(crate) digests: files::Digests,
    known_accounts: accounts::KnownAccounts,
    pub(crate) packages: packages::Packages,
    pub(crate) systemd: systemd::Systemd,
    /// A folder that only root can enter, for the output and input of commands.
    pub(crate) scratch: PathBuf,
    /// The folder of the ledger, for what must outlast a power cut.
    pub(crate) state: PathBuf,
    /// When the package lists were last fetched by this process.
    pub(crate) lists_fetched: Option<Instant>,
    /// Versions of packages that were chosen between looking ahead and installing.
    pub(crate) picked_versions: BTreeMap<String, String>,
    /// What artifacts that are packages say of themselves, as far as somebody looked.
    pub(crate) package_files: BTreeMap<muster_proto::Digest, dpkg::Control>,
    /// What the kernel's firewall was when it was last looked at.
    pub(crate) firewall: Option<nftables::Looked>,
    /// What apt would update when it was last asked.
    pub(crate) updates: Option<updates::Looked>,
    /// Why dconf did not make its database when it was last to, after files of settings came or went.
    pub(crate) dconf_is_behind: Option<String>,
    /// Scripts that ended well, as long as the ledger may not know of it.
    pub(crate) scripts_done: BTreeMap<muster_proto::ResourceId, String>,
    /// The artifacts that are here.
    pub(crate) artifacts: Artifacts,
    /// What was last heard of those that are not.
    pub(crate) told_of_artifacts: BTreeMap<muster_proto::Digest, Heard>,
    /// What is known of the trees that were unpacked.
    pub(crate) trees: tree::Lists,
    /// What the work on each kind takes.
    pub(crate) meter: meter::Meter,
}

impl Host {
    /// The machine that this process runs on, with the package manager that its owner names. `scratch` is made if need be and closed to
    /// everybody but root.
    pub(crate) fn open(scratch: &Path, state: &Path, manager: Option<packages::Manager>) -> Result<Self> {
        let packages = packages::Packages::of(manager);
        Ok(Self { packages, ..Self::at(Path::new("/"), scratch, state)? })
    }

    /// As [`Host::open`], with another directory for the root of all files.
    pub(crate) fn at(root: &Path, scratch: &Path, state: &Path) -> Result<Self> {
        run::prepare_scratch(scratch)
            .with_context(|| format!("preparing {} for the output of commands", scratch.display()))?;
        Ok(Self {
            root: walk::Root::open(root).with_context(|| format!("opening {}", root.display()))?,
            digests: files::Digests::default(),
            known_accounts: accounts::KnownAccounts::default(),
            packages: packages::Packages::default(),
            systemd: systemd::Systemd::default(),
            scratch: scratch.to_owned(),
            state: state.to_owned(),
            lists_fetched: None,
            picked_versions: BTreeMap::new(),
            package_files: BTreeMap::new(),
            firewall: None,
            updates: None,
            dconf_is_behind: None,
            scripts_done: BTreeMap::new(),
            artifacts: Artifacts::beside_ledger(state),
            told_of_artifacts: BTreeMap::new(),
            trees: tree::Lists::beside_ledger(state),
            meter: meter::Meter::default(),
        })
    }

    /// The local accounts as they are now.
    pub(crate) fn accounts(&mut self) -> Result<accounts::Accounts> {
        self.known_accounts.look(&self.root)
    }
}
