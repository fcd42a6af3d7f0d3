//! Which packages are installed, by the record of whichever package manager this system uses.

use std::collections::BTreeMap;

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

    /// What it is called, by itself and by people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Apt => "apt",
            Self::Dnf => "dnf",
        }
    }

    /// What it tells the file of a package from a name by.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Apt => "deb",
            Self::Dnf => "rpm",
        }
    }

    /// The architecture of packages for all machines.
    pub(crate) fn everywhere(self) -> &'static str {
        match self {
            Self::Apt => "all",
            Self::Dnf => "noarch",
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

    /// The architecture of this machine as its packages name it, such as `amd64` or `x86_64`.
    pub(crate) fn architecture(&self) -> &str {
        match self.manager() {
            Manager::Apt => self.dpkg.architecture(),
            Manager::Dnf => std::env::consts::ARCH,
        }
    }

    /// The packages that dnf has no reason to remove by itself, with their versions.
    pub(crate) fn of_one_version(&self) -> BTreeMap<String, String> {
        self.rpm.of_one_version()
    }

    /// What dnf has to install once more, after it was cut off.
    pub(crate) fn cut_off(&self) -> &[muster_tables::rpm::Package] {
        self.rpm.cut_off()
    }

    fn all(&self) -> &BTreeMap<String, Package> {
        match self.manager() {
            Manager::Apt => self.dpkg.packages(),
            Manager::Dnf => self.rpm.packages(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_package_manager_is_the_one_that_has_packages_unless_the_owner_says_another() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let found = |chosen| {
            let mut packages = Packages::of(chosen);
            packages
                .refresh(&root)
                .map(|()| (packages.manager(), packages.get("hello").map(|one| one.version.clone())))
        };
        assert!(found(None).unwrap_err().to_string().contains("neither"));
        rpm::tests::record(folder.path(), &[("hello", "2.0")]);
        assert_eq!(found(None).unwrap(), (Manager::Dnf, Some("2.0-1".to_owned())));
        // dpkg alone, as a tool to look into packages, is no sign of apt.
        let status = folder.path().join("var/lib/dpkg/status");
        fs::create_dir_all(status.parent().unwrap()).unwrap();
        fs::write(&status, "").unwrap();
        assert_eq!(found(None).unwrap().0, Manager::Dnf);
        fs::write(&status, "Package: hello\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n")
            .unwrap();
        assert_eq!(found(None).unwrap(), (Manager::Apt, Some("1".to_owned())));
        assert_eq!(found(Some(Manager::Dnf)).unwrap(), (Manager::Dnf, Some("2.0-1".to_owned())));
        fs::remove_file(&status).unwrap();
        assert!(found(Some(Manager::Apt)).is_err());
    }
}
