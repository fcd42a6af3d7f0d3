//! Which packages are installed, by the record of whichever package manager this system uses.

use anyhow::{Result, bail};
use serde::Deserialize;

use super::dpkg::{self, Package, State};
use super::rpm;
use super::version::Order;
use super::walk::Root;

/// A package manager, with the record and the rules that go with it: apt and dpkg, or dnf and rpm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Manager {
    Apt,
    Dnf,
}

impl Manager {
    /// Whose rules say which version is newer.
    pub(crate) fn order(self) -> Order {
        match self {
            Self::Apt => Order::Dpkg,
            Self::Dnf => Order::Rpm,
        }
    }
}

/// The record of packages, as of when it was last read.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// Which one the device's owner says that it is.
    chosen: Option<Manager>,
    found: Option<Manager>,
    dpkg: dpkg::Status,
    rpm: rpm::Installed,
}

impl Packages {
    /// Of the package manager that was chosen, or else of the one that has packages.
    pub(crate) fn of(chosen: Option<Manager>) -> Self {
        Self { chosen, ..Self::default() }
    }

    /// Reads again what has changed.
    pub(crate) fn refresh(&mut self, root: &Root) -> Result<()> {
        let has_dpkg = self.chosen != Some(Manager::Dnf) && self.dpkg.refresh(root)?;
        let is_dpkgs = has_dpkg && (self.chosen.is_some() || !self.dpkg.packages().is_empty());
        let has_rpm = self.chosen != Some(Manager::Apt) && !is_dpkgs && self.rpm.refresh(root)?;
        self.found = match (self.chosen, has_dpkg, has_rpm) {
            (Some(Manager::Apt), false, _) => {
                bail!("{} does not exist: this system has no dpkg", dpkg::STATUS)
            }
            (_, _, true) => Some(Manager::Dnf),
            (_, true, false) => Some(Manager::Apt),
            // Where rpm never installed anything it has no record.
            (Some(Manager::Dnf), _, false) => Some(Manager::Dnf),
            (None, false, false) => bail!("this system has neither dpkg's record of packages nor rpm's"),
        };
        Ok(())
    }

    /// The package manager of this system, going by what was last read.
    pub(crate) fn manager(&self) -> Manager {
        self.chosen.or(self.found).unwrap_or(Manager::Apt)
    }

    /// Whose rules say which version is newer.
    pub(crate) fn order(&self) -> Order {
        self.manager().order()
    }

    /// The package, if there is more of it than its configuration files.
    pub(crate) fn get(&self, name: &str) -> Option<&Package> {
        self.all().get(name)
    }

    /// The names of those that are so far.
    pub(crate) fn in_state(&self, state: State) -> impl Iterator<Item = &str> {
        let in_state = self.all().iter().filter(move |(_, package)| package.state == state);
        in_state.map(|(name, _)| name.as_str())
    }

    /// What dnf has to install once more, after it was cut off.
    pub(crate) fn cut_off(&self) -> &[String] {
        self.rpm.cut_off()
    }

    fn all(&self) -> &std::collections::BTreeMap<String, Package> {
        match self.manager() {
            Manager::Apt => self.dpkg.packages(),
            Manager::Dnf => self.rpm.packages(),
        }
    }
}
