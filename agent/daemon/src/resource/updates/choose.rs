//! Which updates can be installed together, going by what apt would do: it is asked once, and again when what it goes by changed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use muster_proto::resource::updates::{Updates, Which};

use super::super::apt::{self, Simulation};
use crate::host::Host;
use crate::host::updates::{Asked, Looked, Update};
use crate::host::version::{Constraint, compare};

/// What `apt-get` is to do. New packages come only where an update needs them, as a new kernel does.
const UPGRADE: [&str; 2] = ["--with-new-pkgs", "upgrade"];
/// What is named, and nothing that would have to go for it.
const INSTALL: [&str; 3] = ["--no-remove", "--only-upgrade", "install"];
/// Has apt look at repositories for security updates first, so that a newer version elsewhere does not hide theirs.
const SECURITY_FIRST: [&str; 2] = ["-t", "/-security$/"];
/// What apt says where there is no such repository.
const NONE_FOR_SECURITY: &str = "is invalid for APT::Default-Release";

/// More updates than are tried one by one where not all of them go together.
const MOST_TRIED: usize = 64;

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
    let upgrade = match apt::simulate(host, &verb(&asked, &UPGRADE), &[]).await {
        Err(error) if error.to_string().contains(NONE_FOR_SECURITY) => bail!(
            "no repository of this device is for security updates, by a suite whose name ends in -security: add one, or take all \
             updates"
        ),
        upgrade => upgrade?,
    };
    let mut kept_back = upgrade.kept_back.clone();
    let wished = wished(&upgrade, &asked);
    let others = upgrade.replaced.len() - wished.len();
    let updates = together(host, &asked, wished, &mut kept_back).await?;
    // Without stamps none will be equal, and apt is asked again next time.
    let looked = Looked { asked, updates, kept_back, others, stamps: stamps.unwrap_or_default() };
    host.updates = Some(looked.clone());
    Ok(looked)
}

fn verb<'a>(asked: &Asked, verb: &[&'a str]) -> Vec<&'a str> {
    let first: &[&str] = if asked.security_only { &SECURITY_FIRST } else { &[] };
    [first, verb].concat()
}

/// Installs these updates, and what they need.
pub(super) async fn install(host: &mut Host, looked: &Looked) -> Result<()> {
    apt::transact(host, &verb(&looked.asked, &INSTALL), &specs(&looked.updates)).await
}

/// The updates that are asked for.
fn wished(upgrade: &Simulation, asked: &Asked) -> Vec<Update> {
    let all = upgrade.replaced.iter().map(|(name, (old, new))| Update {
        name: name.clone(),
        old: old.clone(),
        new: new.clone(),
        security: upgrade.security.contains(name),
    });
    all.filter(|update| {
        let package = update.name.split(':').next().unwrap_or_default();
        let is_admitted = |version: &Option<String>| {
            version.as_ref().is_some_and(|version| Constraint::parse(version).admits(&update.new))
        };
        (update.security || !asked.security_only)
            && asked.versions.get(package).is_none_or(is_admitted)
            && compare(&update.new, &update.old).is_gt()
    })
    .collect()
}

/// Those of the updates that can be installed in one transaction in which nothing else changes.
async fn together(
    host: &mut Host,
    asked: &Asked,
    updates: Vec<Update>,
    kept_back: &mut BTreeSet<String>,
) -> Result<Vec<Update>> {
    if updates.is_empty() || is_possible(host, asked, &updates).await {
        return Ok(updates);
    }
    let mut alone = vec![];
    for update in updates {
        let is_possible =
            alone.len() < MOST_TRIED && is_possible(host, asked, std::slice::from_ref(&update)).await;
        if is_possible {
            alone.push(update);
        } else {
            kept_back.insert(update.name);
        }
    }
    if !alone.is_empty() && !is_possible(host, asked, &alone).await {
        kept_back.extend(alone.drain(..).map(|update| update.name));
    }
    Ok(alone)
}

/// Whether apt would make these updates and nothing that nobody asks for.
async fn is_possible(host: &mut Host, asked: &Asked, updates: &[Update]) -> bool {
    let would = apt::simulate(host, &verb(asked, &INSTALL), &specs(updates)).await;
    would.is_ok_and(|would| is_clean(&would, asked, updates))
}

fn is_clean(would: &Simulation, asked: &Asked, updates: &[Update]) -> bool {
    let is_named = |name: &String, version: &String| {
        updates.iter().any(|update| update.name == *name && update.new == *version)
    };
    would.objection().is_none()
        && updates.iter().all(|update| would.replaced.contains_key(&update.name))
        && would.replaced.iter().all(|(name, (_, new))| is_named(name, new))
        && would.added.keys().all(|name| !asked.security_only || would.security.contains(name))
}

/// The updates as apt takes them: these versions and no others.
fn specs(updates: &[Update]) -> Vec<String> {
    updates.iter().map(|update| format!("{}={}", update.name, update.new)).collect()
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
        assert_eq!(names(&wished(&upgrade, &asked(true, &[]))), ["curl", "libc6:i386"]);
        assert_eq!(names(&wished(&upgrade, &asked(false, &[]))), ["curl", "libc6:i386", "tree"]);
        let pinned = asked(false, &[("curl", "1"), ("libc6", "< 2"), ("tree", ">= 1")]);
        assert_eq!(names(&wished(&upgrade, &pinned)), ["tree"]);
        // What is asked for of this one is not known.
        assert_eq!(names(&wished(&upgrade, &asked(false, &[("curl", ""), ("tree", "")]))), ["libc6:i386"]);
    }

    #[test]
    fn a_transaction_that_does_anything_else_is_not_made() {
        let upgrade = simulation(&[("curl", "1", "2")], &["curl"]);
        let updates = wished(&upgrade, &asked(true, &[]));
        let is_clean =
            |would: &Simulation, security_only| is_clean(would, &asked(security_only, &[]), &updates);
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
    }
}
