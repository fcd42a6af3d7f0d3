//! What the system's package manager would do, and having it done: by apt or by dnf.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{apt, dnf};
use crate::host::Host;
use crate::host::packages::Manager;
use crate::host::version::Order;

/// Lists that were fetched this recently are not fetched again because a package is not in them.
const LISTS_FRESH: Duration = Duration::from_secs(600);

/// What apt and rpm say where somebody else is at work with them, for longer than is waited for.
const LOCKED: [&str; 2] = ["Could not get lock", dnf::LOCKED];

/// Whether a transaction was not made for this `reason` alone.
pub(super) fn is_locked_out(reason: &str) -> bool {
    LOCKED.iter().any(|words| reason.contains(words))
}

/// What a package manager is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Install,
    /// What is there already in the version that is to come; by apt also what is not.
    InstallAnew,
    Remove,
    /// As `Remove`, with what nobody would need any more. Asked only in simulation.
    RemoveUnneeded,
}

/// Which repositories to fetch the lists of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sources<'a> {
    All,
    /// The one that Muster made by this name.
    Only(&'a str),
}

/// What a transaction would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simulation {
    /// Packages that are not there yet, with their versions.
    pub(super) added: BTreeMap<String, String>,
    /// Packages that would get another version: the old and the new one.
    pub(super) replaced: BTreeMap<String, (String, String)>,
    pub(super) removed: BTreeSet<String>,
    /// Packages that stay as they are although there is a newer version.
    pub(super) kept_back: BTreeSet<String>,
    /// Packages whose new version a repository for security updates has.
    pub(super) security: BTreeSet<String>,
    /// Packages whose new version does not come from a file that was given alone: apt knows of more than one place and takes whichever it
    /// likes, dnf takes a repository.
    pub(super) elsewhere: BTreeSet<String>,
}

impl Simulation {
    /// The version that the package would have.
    pub(super) fn version(&self, package: &str) -> Option<&str> {
        let replaced = self.replaced.get(package).map(|(_, new)| new);
        self.added.get(package).or(replaced).map(String::as_str)
    }

    /// Both of these, one after the other.
    pub(super) fn and(mut self, other: Self) -> Self {
        let Self { added, replaced, removed, kept_back, security, elsewhere } = other;
        self.added.extend(added);
        self.replaced.extend(replaced);
        self.removed.extend(removed);
        self.kept_back.extend(kept_back);
        self.security.extend(security);
        self.elsewhere.extend(elsewhere);
        self
    }

    /// Why this must not be done, if there is a reason.
    pub(super) fn objection(&self, order: Order) -> Option<String> {
        if !self.removed.is_empty() {
            return Some(format!("installing it would remove {}", names(&self.removed)));
        }
        let older = |(_, (old, new)): &(&String, &(String, String))| order.compare(new, old).is_lt();
        let (package, (old, new)) = self.replaced.iter().find(older)?;
        Some(format!("it would take {package} from {old} back to {new}: Muster never downgrades"))
    }
}

/// A list for people, of a length that can be read.
pub(super) fn names<'a>(all: impl IntoIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 10;
    /// In bytes: more than a name and two versions have.
    const LONGEST: usize = 200;
    let cut = |name: &'a String| name.get(..LONGEST).unwrap_or(name);
    let all: Vec<&str> = all.into_iter().map(cut).collect();
    match all.len().checked_sub(SHOWN) {
        None | Some(0) => all.join(", "),
        Some(more) => format!("{} and {more} more", all[..SHOWN].join(", ")),
    }
}

/// Says what this would do.
pub(super) async fn simulate(host: &mut Host, verb: Verb, packages: &[String]) -> Result<Simulation> {
    match host.packages.manager() {
        Manager::Apt => apt::simulate(host, apt::verb(verb), packages).await,
        Manager::Dnf => dnf::simulate(host, verb, packages).await,
    }
}

/// Does this in one transaction; apt repairs one that was cut off before. Nothing goes for what is to come, whatever has changed since a
/// simulation found that nothing has to.
pub(super) async fn transact(host: &mut Host, verb: Verb, packages: &[String]) -> Result<()> {
    let kept: &[&str] = match verb {
        Verb::Install | Verb::InstallAnew => &["--no-remove"],
        Verb::Remove | Verb::RemoveUnneeded => &[],
    };
    match host.packages.manager() {
        Manager::Apt => apt::transact(host, &[kept, apt::verb(verb)].concat(), packages).await,
        Manager::Dnf => dnf::transact(host, verb, packages).await,
    }
}

/// Brings to its end what was cut off, apart from packages that something else happens to now: a file takes their place, or they go.
pub(super) async fn finish(host: &mut Host, apart_from: &BTreeSet<&str>) -> Result<()> {
    match host.packages.manager() {
        // It says itself when there is something, and only then.
        Manager::Apt => Ok(()),
        Manager::Dnf => dnf::finish(host, apart_from).await,
    }
}

/// Whether one package may be why a transaction was not made for any of them.
pub(super) fn is_by_one(host: &Host, error: &anyhow::Error) -> bool {
    // apt knows before what is signed.
    host.packages.manager() == Manager::Dnf && dnf::is_by_one(&format!("{error:#}"))
}

/// The package as its manager takes it, in this version and no other.
pub(super) fn spec(host: &Host, name: &str, version: &str) -> String {
    match host.packages.manager() {
        Manager::Apt => format!("{name}={version}"),
        Manager::Dnf => dnf::spec(name, version),
    }
}

/// Fetches package lists.
pub(super) async fn fetch_lists(host: &mut Host, sources: Sources<'_>) -> Result<()> {
    match host.packages.manager() {
        Manager::Apt => apt::fetch_lists(host, sources).await,
        Manager::Dnf => dnf::fetch_lists(host, sources).await,
    }
}

/// Fetches all lists unless that was done a short while ago; whether it was done now. A repository that can't be
/// reached does not keep the others from being of use.
pub(super) async fn refresh_lists(host: &mut Host) -> Result<bool> {
    if host.lists_fetched.is_some_and(|at| at.elapsed() < LISTS_FRESH) {
        return Ok(false);
    }
    host.lists_fetched = Some(Instant::now());
    if let Err(error) = fetch_lists(host, Sources::All).await {
        tracing::warn!(reason = %format!("{error:#}"), "fetching package lists");
    }
    Ok(true)
}

/// Which of these packages some repository has, by the lists as they are.
pub(super) async fn known(host: &mut Host, packages: &[&str]) -> Result<BTreeSet<String>> {
    match host.packages.manager() {
        Manager::Apt => apt::known(host, packages).await,
        Manager::Dnf => dnf::known(host, packages).await,
    }
}

/// The versions of a package that the repositories have, the newest first.
pub(super) async fn available(host: &mut Host, package: &str) -> Result<Vec<String>> {
    match host.packages.manager() {
        Manager::Apt => apt::available(host, package).await,
        Manager::Dnf => dnf::available(host, package).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_in_vain_for_the_lock_of_apt_or_rpm_is_told_from_who_failed() {
        let held = "apt says: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr); \
                    Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?";
        assert!(is_locked_out(held));
        assert!(is_locked_out("error: can't create transaction lock on /var/lib/rpm/.rpm.lock"));
        assert!(!is_locked_out("apt says: Unable to locate package hello"));
        assert!(!is_locked_out(
            "apt says: Could not open lock file /var/lib/dpkg/lock-frontend - open (30: Read-only file system)"
        ));
    }

    #[test]
    fn a_long_list_is_cut() {
        let all: Vec<String> = (0..12).map(|i| format!("p{i}")).collect();
        assert!(names(&all).ends_with("p9 and 2 more"));
        assert_eq!(names(&all[..2]), "p0, p1");
    }
}
