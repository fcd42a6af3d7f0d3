//! What of the machine says that updates wait, and that it should reboot: files of apt, dpkg, dnf, rpm and the kernel. No program is started
//! to find out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Host;
use super::dpkg::State;
use super::files::{self, Stamp};
use super::packages::Manager;
use super::version::Order;
use super::walk;

/// What decides about the versions that apt would install.
const APTS: [&str; 5] = [
    "/var/lib/dpkg/status",
    "/var/lib/apt/lists",
    "/etc/apt/sources.list",
    "/etc/apt/preferences",
    "/etc/apt/apt.conf",
];
/// Folders with more of that.
const APTS_FOLDERS: [&str; 3] = ["/etc/apt/sources.list.d", "/etc/apt/preferences.d", "/etc/apt/apt.conf.d"];
/// What decides about the versions that dnf would install. The database is where [`super::rpm`] finds it.
const DNFS: [&str; 5] = [
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite-wal",
    "/etc/dnf/dnf.conf",
];
/// Folders with more of that.
const DNFS_FOLDERS: [&str; 3] = ["/etc/yum.repos.d", "/etc/dnf/vars", LISTS];
/// Here only what dnf makes of lists counts, in files of this ending: whenever it runs it writes others.
const LISTS: &str = "/var/cache/dnf";
const LIST: &str = ".solv";
/// Where a folder has so many files or more, they are not looked at, and apt is asked each time.
const MOST_FILES: usize = 256;

/// What packages leave that need a reboot.
const REQUIRED: &str = "/run/reboot-required";
/// The file that names the kernel is short.
const LIMIT: u64 = 64 * 1024;

/// A newer version of an installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// With its architecture where that is not the machine's own, as apt writes it.
    pub(crate) name: String,
    pub(crate) old: String,
    pub(crate) new: String,
    /// Whether a repository for security updates has the new version.
    pub(crate) security: bool,
}

/// What was asked of apt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) security_only: bool,
    /// The constraints on versions, by packages; `None` for one that has to stay as it is.
    pub(crate) versions: BTreeMap<String, Option<String>>,
}

/// What apt would do, as of what it goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) asked: Asked,
    /// The expression for the repositories that apt looks at first.
    pub(crate) first: Option<String>,
    /// What can be installed together.
    pub(crate) updates: Vec<Update>,
    /// Packages that have a newer version which can't be installed as things are.
    pub(crate) kept_back: BTreeSet<String>,
    /// How many others have a newer version, that nobody asks for.
    pub(crate) others: usize,
    /// Whether it is time to install them.
    pub(crate) is_time: bool,
    /// When what it goes by was as it is.
    pub(crate) stamps: Stamps,
}

pub(crate) type Stamps = Vec<Option<Stamp>>;

/// Why the machine should reboot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A newer kernel is installed than the one that runs.
    Kernel(String),
    /// A package says so.
    Required,
}

impl Host {
    /// How what the package manager goes by looks now; `None` where it changed so lately that it could change again and look the same.
    pub(crate) fn stamps_of_packages(&self) -> Result<Option<Stamps>> {
        let (sources, folders) = match self.packages.manager() {
            Manager::Apt => (APTS, APTS_FOLDERS),
            Manager::Dnf => (DNFS, DNFS_FOLDERS),
        };
        let kept = folders.iter().filter(|folder| **folder != LISTS);
        let mut paths: Vec<String> = sources.iter().chain(kept).map(|path| (*path).to_owned()).collect();
        for folder in folders {
            let Some(place) = self.root.place(folder)? else { continue };
            let directory = match place.open(OFlags::DIRECTORY) {
                Ok(directory) => directory,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error).context(folder),
            };
            let mut names = walk::names(&directory, MOST_FILES).context(folder)?;
            if names.len() == MOST_FILES {
                return Ok(None);
            }
            names.sort_unstable();
            // The folder itself does not tell of a file that is written in its place.
            let counts =
                |name: &str| !matches!(name, "." | "..") && (folder != LISTS || name.ends_with(LIST));
            let files = names.iter().filter(|name| counts(name));
            paths.extend(files.map(|name| format!("{folder}/{name}")));
        }
        let mut stamps = vec![];
        for path in paths {
            match files::stamp(&self.root, &path)? {
                Some((_, false)) => return Ok(None),
                there => stamps.push(there.map(|(stamp, _)| stamp)),
            }
        }
        Ok(Some(stamps))
    }

    /// The release of the kernel that runs.
    pub(crate) fn running_kernel(&self) -> Result<String> {
        /// As `uname -r` says it.
        const RELEASE: &str = "/proc/sys/kernel/osrelease";
        let release =
            files::content(&self.root, RELEASE, LIMIT)?.with_context(|| format!("there is no {RELEASE}"))?;
        Ok(String::from_utf8_lossy(&release).trim().to_owned())
    }

    /// Why the machine should reboot, going by its packages as last read.
    pub(crate) fn reboot_need(&self) -> Result<Option<Need>> {
        if self.packages.manager() == Manager::Dnf {
            return self.need_of_rpm();
        }
        let installed =
            self.packages.in_state(State::Installed).filter_map(|name| name.strip_prefix("linux-image-"));
        if let Some(newest) = newest_kernel(&self.running_kernel()?, installed) {
            return Ok(Some(Need::Kernel(newest.to_owned())));
        }
        let required = self.root.place(REQUIRED)?.map(|place| place.stat()).transpose()?.flatten();
        Ok(required.map(|_| Need::Required))
    }

    /// As [`Host::reboot_need`], where a kernel is the package that has its release as version.
    fn need_of_rpm(&self) -> Result<Option<Need>> {
        let newest = ["kernel-core", "kernel"].iter().find_map(|name| self.packages.get(name));
        let Some(newest) = newest.map(|kernel| kernel.version.as_str()) else { return Ok(None) };
        let running = self.running_kernel()?;
        // One that somebody built themselves, or the host's of a container, is none of these.
        let release = running.strip_suffix(&format!(".{}", std::env::consts::ARCH));
        let is_older = release.is_some_and(|release| Order::Rpm.compare(release, newest).is_lt());
        Ok(is_older.then(|| Need::Kernel(format!("{newest}.{}", std::env::consts::ARCH))))
    }
}

/// The newest of the installed kernels of the same flavour, where it is newer than the one that runs. Names such as
/// `linux-image-amd64` only stand for others.
fn newest_kernel<'a>(running: &str, installed: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (version, flavour) = split(running)?;
    let newer = installed.filter(|release| {
        split(release).is_some_and(|(other, of)| of == flavour && Order::Dpkg.compare(other, version).is_gt())
    });
    newer.max_by(|a, b| Order::Dpkg.compare(a, b))
}

/// A release such as `6.1.0-30-amd64` as its version and its flavour.
fn split(release: &str) -> Option<(&str, &str)> {
    let begins_with_digit = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let mut end = 0;
    for part in release.split_inclusive('-') {
        if !begins_with_digit(part) {
            break;
        }
        end += part.len();
    }
    (end > 0).then(|| (release[..end].trim_end_matches('-'), &release[end..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_newer_kernel_of_the_same_flavour_needs_a_reboot_and_nothing_else_does() {
        let installed = [
            "amd64",
            "6.1.0-9-amd64",
            "6.1.0-30-amd64",
            "6.1.0-28-amd64",
            "6.5.0-1-rt-amd64",
            "6.5.0-1-cloud-amd64",
        ];
        let newest = |running: &str| newest_kernel(running, installed.into_iter());
        assert_eq!(newest("6.1.0-28-amd64"), Some("6.1.0-30-amd64"));
        assert_eq!(newest("6.1.0-30-amd64"), None);
        assert_eq!(newest("6.1.0-31-amd64"), None);
        assert_eq!(newest("5.10.0-8-rt-amd64"), Some("6.5.0-1-rt-amd64"));
        // A kernel that somebody built, or the host's of a container.
        assert_eq!(newest("6.1.99+"), None);
        assert_eq!(newest("custom"), None);
    }

    #[test]
    fn a_setting_that_was_written_a_moment_ago_is_not_relied_on() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc/apt/preferences.d")).unwrap();
        let host = Host::at(folder.path(), &folder.path().join("run"), folder.path()).unwrap();
        assert_eq!(host.stamps_of_packages().unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_release_breaks_the_comparison(text in "([0-9.-]|\\PC){0,30}", other in "([0-9.-]|\\PC){0,20}") {
            newest_kernel(&text, [other.as_str()].into_iter());
        }
    }
}
