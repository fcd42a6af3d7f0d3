//! Which updates can be installed together, going by what apt or dnf would do: it is asked once, and again when what it goes by changed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use muster_proto::resource::updates::{Updates, Which};

use super::super::transaction::{Simulation, spec};
use super::super::{apt, dnf};
use crate::host::Host;
use crate::host::packages::Manager;
use crate::host::updates::{Asked, Looked, Update};
use crate::host::version::{Constraint, Order};

/// What `apt-get` is to do. New packages come only where an update needs them, as a new kernel does.
const UPGRADE: [&str; 2] = ["--with-new-pkgs", "upgrade"];
/// What is named, and nothing that would have to go for it.
const INSTALL: [&str; 3] = ["--no-remove", "--only-upgrade", "install"];
/// More updates than are tried one by one where not all of them go together.
const MOST_TRIED: usize = 64;
/// Longer names and versions than any package has, in bytes: who has such a one would fill reports with it.
const LONGEST: usize = 200;

/// What would be updated as things are.
pub(super) async fn look(
    host: &mut Host,
    updates: &Updates,
    versions: &BTreeMap<String, Option<String>>,
) -> Result<Looked> {
    let asked = Asked { security_only: updates.which == Which::Security, versions: versions.clone() };
    let stamps = host.stamps_of_packages()?;
    if let (Some(looked), Some(stamps)) = (&host.updates, &stamps)
        && looked.asked == asked
        && looked.stamps == *stamps
    {
        return Ok(looked.clone());
    }
    let manager = host.packages.manager();
    let is_by_suites = asked.security_only && manager == Manager::Apt;
    let first = if is_by_suites { Some(first(&apt::security_suites(host).await?)?) } else { None };
    let upgrade = match manager {
        Manager::Apt => apt::simulate(host, &verb(first.as_deref(), &UPGRADE), &[]).await?,
        Manager::Dnf => dnf::upgrades(host, asked.security_only).await?,
    };
    let mut kept_back = upgrade.kept_back.clone();
    let wished = wished(&upgrade, &asked, manager.order(), &mut kept_back);
    let others = upgrade.replaced.len().saturating_sub(wished.len());
    let updates = together(host, &asked, first.as_deref(), wished, &mut kept_back).await?;
    // Without stamps none will be equal, and apt is asked again next time.
    let looked = Looked {
        asked,
        first,
        updates,
        kept_back,
        others,
        is_time: false,
        stamps: stamps.unwrap_or_default(),
    };
    host.updates = Some(looked.clone());
    Ok(looked)
}

/// What is known while packages are half-way there, of which apt can say little: nothing.
pub(super) fn wait(
    host: &mut Host,
    updates: &Updates,
    versions: &BTreeMap<String, Option<String>>,
) -> Looked {
    let asked = Asked { security_only: updates.which == Which::Security, versions: versions.clone() };
    let (kept_back, stamps) = (BTreeSet::new(), vec![]);
    let looked = Looked { asked, first: None, updates: vec![], kept_back, others: 0, is_time: false, stamps };
    host.updates = Some(looked.clone());
    looked
}

/// The expression by which apt looks at repositories for security updates first, so that a newer version elsewhere does not hide
/// theirs. It would set aside what an admin says of the priority of any that it means.
fn first(suites: &BTreeSet<String>) -> Result<String> {
    ensure!(
        !suites.is_empty(),
        "no repository of this device is for security updates, by a suite whose name ends in -security and the priority that \
         repositories usually have: add one, or take all updates"
    );
    let suites: Vec<String> = suites.iter().map(|suite| suite.replace('.', "[.]")).collect();
    Ok(format!("/^({})$/", suites.join("|")))
}

fn verb<'a>(first: Option<&'a str>, verb: &[&'a str]) -> Vec<&'a str> {
    first.into_iter().flat_map(|first| ["-t", first]).chain(verb.iter().copied()).collect()
}

/// Installs these updates, and what they need.
pub(super) async fn install(host: &mut Host, looked: &Looked) -> Result<()> {
    let specs = specs(host, &looked.updates);
    match host.packages.manager() {
        Manager::Apt => {
            let verb = verb(looked.first.as_deref(), &INSTALL);
            apt::download(host, &verb, &specs).await?;
            apt::transact(host, &verb, &specs).await
        }
        Manager::Dnf => dnf::upgrade(host, &specs).await,
    }
}

/// Whether a profile lets the package be of this version.
pub(super) fn admits(
    versions: &BTreeMap<String, Option<String>>,
    order: Order,
    name: &str,
    version: &str,
) -> bool {
    // Of whatever architecture: dpkg's stands behind a colon.
    let package = match order {
        Order::Dpkg => name.split(':').next().unwrap_or_default(),
        Order::Rpm => dnf::without_architecture(name),
    };
    let is_admitted = |asked: &Option<String>| {
        asked.as_ref().is_some_and(|asked| Constraint::parse(order, asked).admits(version))
    };
    versions.get(package).is_none_or(is_admitted)
}

/// The updates that are asked for, those for security first.
fn wished(
    upgrade: &Simulation,
    asked: &Asked,
    order: Order,
    kept_back: &mut BTreeSet<String>,
) -> Vec<Update> {
    let all = upgrade.replaced.iter().map(|(name, (old, new))| Update {
        name: name.clone(),
        old: old.clone(),
        new: new.clone(),
        security: upgrade.security.contains(name),
    });
    let asked_for = all.filter(|update| {
        (update.security || !asked.security_only)
            && admits(&asked.versions, order, &update.name, &update.new)
            && order.compare(&update.new, &update.old).is_gt()
    });
    let (mut wished, odd): (Vec<_>, Vec<_>) = asked_for
        .partition(|update| update.name.len().max(update.new.len()).max(update.old.len()) <= LONGEST);
    kept_back.extend(odd.into_iter().map(|update| update.name));
    wished.sort_by_key(|update| !update.security);
    wished
}

/// Those of the updates that can be installed in one transaction in which nothing else changes. One that can't must not keep the others
/// from being made.
async fn together(
    host: &mut Host,
    asked: &Asked,
    first: Option<&str>,
    wished: Vec<Update>,
    kept_back: &mut BTreeSet<String>,
) -> Result<Vec<Update>> {
    if wished.is_empty() || possible(host, asked, first, &wished, &wished).await.is_some() {
        return Ok(wished);
    }
    let mut chosen: Vec<Update> = vec![];
    let mut tried = 0;
    for update in &wished {
        if chosen.contains(update) || tried == MOST_TRIED {
            continue;
        }
        tried += 1;
        let more = [&chosen[..], std::slice::from_ref(update)].concat();
        chosen = possible(host, asked, first, &more, &wished).await.unwrap_or(chosen);
    }
    kept_back.extend(wished.into_iter().filter(|update| !chosen.contains(update)).map(|update| update.name));
    Ok(chosen)
}

/// What apt would update for these updates; `None` where it would make anything else than what is wished for.
async fn possible(
    host: &mut Host,
    asked: &Asked,
    first: Option<&str>,
    updates: &[Update],
    wished: &[Update],
) -> Option<Vec<Update>> {
    let specs = specs(host, updates);
    let manager = host.packages.manager();
    let would = match manager {
        Manager::Apt => apt::simulate(host, &verb(first, &INSTALL), &specs).await.ok()?,
        Manager::Dnf => dnf::would_upgrade(host, &specs).await.ok()?,
    };
    is_clean(&would, asked, manager.order(), updates, wished)
        .then(|| wished.iter().filter(|update| would.replaced.contains_key(&update.name)).cloned().collect())
}

fn is_clean(would: &Simulation, asked: &Asked, order: Order, updates: &[Update], wished: &[Update]) -> bool {
    let is_wished = |name: &String, version: &String| {
        wished.iter().any(|update| update.name == *name && update.new == *version)
    };
    would.objection(order).is_none()
        && updates.iter().all(|update| would.replaced.contains_key(&update.name))
        && would.replaced.iter().all(|(name, (_, new))| is_wished(name, new))
        && would.added.iter().all(|(name, version)| {
            (!asked.security_only || would.security.contains(name))
                && admits(&asked.versions, order, name, version)
        })
}

/// The updates as the package manager takes them: these versions and no others.
fn specs(host: &Host, updates: &[Update]) -> Vec<String> {
    updates.iter().map(|update| spec(host, &update.name, &update.new)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulation(changes: &[(&str, &str, &str)], security: &[&str]) -> Simulation {
        let replaced = changes
            .iter()
            .map(|(name, old, new)| ((*name).to_owned(), ((*old).to_owned(), (*new).to_owned())));
        Simulation {
            replaced: replaced.collect(),
            security: security.iter().map(|name| (*name).to_owned()).collect(),
            ..Simulation::default()
        }
    }

    fn asked(security_only: bool, versions: &[(&str, &str)]) -> Asked {
        let versions = versions.iter().map(|(name, version)| {
            ((*name).to_owned(), Some(*version).filter(|version| !version.is_empty()).map(str::to_owned))
        });
        Asked { security_only, versions: versions.collect() }
    }

    fn names(updates: &[Update]) -> Vec<&str> {
        updates.iter().map(|update| update.name.as_str()).collect()
    }

    #[test]
    fn only_what_a_security_repository_has_is_wished_for_and_nothing_past_the_version_of_a_profile() {
        let upgrade = simulation(
            &[("curl", "1", "2"), ("libc6:i386", "1", "2"), ("tree", "1", "2"), ("vim", "3", "2")],
            &["curl", "libc6:i386", "vim"],
        );
        let wished =
            |asked: &Asked| names(&wished(&upgrade, asked, Order::Dpkg, &mut BTreeSet::new())).join(" ");
        assert_eq!(wished(&asked(true, &[])), "curl libc6:i386");
        assert_eq!(wished(&asked(false, &[])), "curl libc6:i386 tree");
        let pinned = asked(false, &[("curl", "1"), ("libc6", "< 2"), ("tree", ">= 1")]);
        assert_eq!(wished(&pinned), "tree");
        // What is asked for of this one is not known.
        assert_eq!(wished(&asked(false, &[("curl", ""), ("tree", "")])), "libc6:i386");
    }

    #[test]
    fn a_version_that_would_fill_reports_is_kept_back_by_its_name() {
        let long = "2".repeat(100_000);
        let upgrade = simulation(&[("curl", "1", &long), ("tree", "1", "2")], &["tree"]);
        let mut kept_back = BTreeSet::new();
        assert_eq!(names(&wished(&upgrade, &asked(false, &[]), Order::Dpkg, &mut kept_back)), ["tree"]);
        assert_eq!(kept_back, BTreeSet::from(["curl".to_owned()]));
    }

    #[test]
    fn no_suite_means_more_to_apt_than_its_name() {
        let suites = |names: &[&str]| first(&names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(suites(&["a.b-security", "c-security"]).unwrap(), "/^(a[.]b-security|c-security)$/");
        assert!(suites(&[]).is_err());
    }

    #[test]
    fn a_transaction_that_does_anything_else_is_not_made() {
        let upgrade = simulation(&[("curl", "1", "2")], &["curl"]);
        let updates = wished(&upgrade, &asked(true, &[]), Order::Dpkg, &mut BTreeSet::new());
        let is_clean = |would: &Simulation, security_only| {
            is_clean(would, &asked(security_only, &[]), Order::Dpkg, &updates, &updates)
        };
        assert!(is_clean(&upgrade, true));
        assert!(!is_clean(&simulation(&[("curl", "1", "2"), ("tree", "1", "2")], &["curl", "tree"]), true));
        assert!(!is_clean(&simulation(&[("curl", "1", "3")], &["curl"]), true));
        assert!(!is_clean(&simulation(&[], &[]), true));
        let mut removing = upgrade.clone();
        removing.removed.insert("tree".to_owned());
        assert!(!is_clean(&removing, true));
        // A package that an update needs comes only from where the update may come from.
        let mut adding = upgrade;
        adding.added.insert("libnew".to_owned(), "1".to_owned());
        assert!(!is_clean(&adding, true) && is_clean(&adding, false));
        adding.security.insert("libnew".to_owned());
        assert!(is_clean(&adding, true));
        // Nor in a version that a profile does not have.
        let asked = asked(true, &[("libnew", "< 1")]);
        assert!(!super::is_clean(&adding, &asked, Order::Dpkg, &updates, &updates));
    }
}
