//! dnf: what a transaction would do, and doing it. It runs in a transient unit, waits for whoever holds its locks, and never prompts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use muster_tables::rpm::Package;

use super::transaction::{Simulation, Sources, Verb, names};
use crate::host::Host;
use crate::host::run::{Ran, Work};
use crate::host::version::Order;

/// As with apt: what is only recommended does not come, and removing what nobody needs is left to admins. What was downloaded goes once it
/// is installed.
const OPTIONS: [&str; 4] = [
    "--color=never",
    "--setopt=install_weak_deps=False",
    "--setopt=clean_requirements_on_remove=False",
    "--setopt=keepcache=False",
];

/// How repositories list packages: name, version and architecture.
const LISTED: &str = "--qf=%{name}|%{epoch}:%{version}-%{release}|%{arch}";

/// Stands for a repository where a package comes from a file that was given.
const FILES: &str = "@commandline";

/// What stands below the table of a transaction, and what dnf says when it makes none because nobody agreed to it.
const SUMMARY: &str = "Transaction Summary";
const DECLINED: &str = "Operation aborted.";

/// Where dnf finds what it must not remove.
const PROTECTED: &str = "dnf-protected.conf";

/// What dnf says of every transaction, and that explains none.
const NOISE: [&str; 3] = ["Unable to detect release version", "Last metadata expiration check", DECLINED];

/// What rpm says where somebody else holds its lock while dnf has it trust a key, for which alone neither of them waits.
pub(super) const LOCKED: &str = "can't create transaction lock";
/// How long that is waited for, as with apt, and how often it is looked at.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);
const LOCK_PAUSE: Duration = Duration::from_secs(5);

/// What dnf does with the packages below a heading of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heading {
    Installing,
    Replacing,
    Removing,
    KeptBack,
    /// What changes no package.
    Other,
}

impl Heading {
    fn of(line: &str) -> Option<Self> {
        let is_heading = line.ends_with(':') && !line.starts_with([' ', '(']);
        is_heading.then_some(match line {
            "Installing:"
            | "Installing dependencies:"
            | "Installing weak dependencies:"
            | "Installing group/module packages:" => Self::Installing,
            "Upgrading:" | "Downgrading:" | "Reinstalling:" => Self::Replacing,
            "Removing:" | "Removing dependent packages:" | "Removing unused dependencies:" => Self::Removing,
            "Skipping packages with conflicts:" | "Skipping packages with broken dependencies:" => {
                Self::KeptBack
            }
            _ => Self::Other,
        })
    }
}

impl Simulation {
    /// Reads the table of a transaction. `installed` says which version of a package there is.
    fn of_dnf(output: &str, installed: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut simulation = Self::default();
        let mut heading = None;
        // Who forges what a repository says of its packages may have names and versions there that go on in another line.
        ensure!(
            output.lines().filter(|line| *line == SUMMARY).count() < 2,
            "what dnf says that it would do ends twice: a repository of this device tells of a package with a name or a version that no package can have"
        );
        for line in output.lines().take_while(|line| *line != SUMMARY) {
            if let Some(next) = Heading::of(line) {
                heading = Some(next);
                continue;
            }
            let is_of_table = line.is_empty() || line.starts_with([' ', '(']);
            ensure!(
                heading.is_none() || is_of_table,
                "what dnf says that it would do can't be read: {line:?}"
            );
            let Some(heading) = heading.filter(|_| line.starts_with(' ')) else { continue };
            let mut words = line.split_whitespace();
            let row = (words.next(), words.next(), words.next());
            if let (Some("replacing"), Some(old), Some(_)) = row {
                let (name, arch) = old.rsplit_once('.').unwrap_or((old, ""));
                simulation.removed.insert(named(name, arch));
                continue;
            }
            if heading == Heading::Other {
                continue;
            }
            let (Some(name), Some(arch), Some(version)) = row else {
                anyhow::bail!("what dnf says that it would do can't be read: {line:?}");
            };
            let (name, version) = (named(name, arch), without_epoch_zero(version).to_owned());
            if words.next() != Some(FILES) {
                simulation.elsewhere.insert(name.clone());
            }
            match heading {
                Heading::Installing | Heading::Replacing => match installed(&name) {
                    // Also what comes beside a version that stays, as a kernel does: by its name, it is there already.
                    Some(old) => drop(simulation.replaced.insert(name, (old, version))),
                    None if heading == Heading::Replacing => {
                        simulation.replaced.insert(name, (String::new(), version));
                    }
                    None => drop(simulation.added.insert(name, version)),
                },
                Heading::Removing => {
                    simulation.removed.insert(name);
                }
                Heading::KeptBack => {
                    simulation.kept_back.insert(name);
                }
                Heading::Other => {}
            }
        }
        // What takes the place of a version of its own removes nothing.
        let replaced: Vec<&String> = simulation.replaced.keys().chain(simulation.added.keys()).collect();
        simulation.removed.retain(|name| !replaced.contains(&name));
        Ok(simulation)
    }
}

/// Architectures of which a machine of another one can have packages.
const FOREIGN: [&str; 6] = ["i386", "i486", "i586", "i686", "x86_64", "aarch64"];

/// A version of a package as dnf takes it.
pub(super) fn spec(name: &str, version: &str) -> String {
    match name.rsplit_once('.').filter(|(_, arch)| FOREIGN.contains(arch)) {
        Some((name, arch)) => format!("{name}-{version}.{arch}"),
        None => format!("{name}-{version}"),
    }
}

/// A package's own name.
pub(super) fn without_architecture(name: &str) -> &str {
    name.rsplit_once('.').filter(|(_, arch)| FOREIGN.contains(arch)).map_or(name, |(name, _)| name)
}

/// The package as it is called here: with its architecture where that is not the machine's own.
fn named(name: &str, arch: &str) -> String {
    if is_native(arch) { name.to_owned() } else { format!("{name}.{arch}") }
}

fn is_native(arch: &str) -> bool {
    arch == "noarch" || arch == std::env::consts::ARCH
}

fn without_epoch_zero(version: &str) -> &str {
    version.strip_prefix("0:").unwrap_or(version)
}

/// Says what this would do.
pub(super) async fn simulate(host: &mut Host, verb: Verb, packages: &[String]) -> Result<Simulation> {
    would(host, words(verb), packages).await
}

/// Says which newer versions dnf would install by itself, and which of them are for security, by what the repositories tell of their updates
/// (`updateinfo`). Where only those are asked for, the version is the one that is for security.
pub(super) async fn upgrades(host: &mut Host, security_only: bool) -> Result<Simulation> {
    /// One that can't be installed keeps none of the others back.
    const UPGRADE: [&str; 2] = ["--setopt=best=False", "upgrade"];
    const FOR_SECURITY: [&str; 3] = ["--setopt=best=False", "--security", "upgrade"];
    let mut all = would(host, &UPGRADE, &[]).await?;
    if security_only {
        let told = dnf(host, Work::Download, &["--quiet", "updateinfo", "--summary", "--all"]).await?;
        ensure!(
            told.success && !told.stdout.trim().is_empty(),
            "no repository of this device tells which updates are for security: add one, or take all updates"
        );
    }
    let security = would(host, &FOR_SECURITY, &[]).await?;
    for (name, versions) in security.replaced {
        if security_only || all.replaced.get(&name) == Some(&versions) {
            all.security.insert(name.clone());
            all.replaced.insert(name, versions);
        }
    }
    Ok(all)
}

/// Says what installing these newer versions would do. What they need comes from the same repositories, so that it is for security where
/// they are.
pub(super) async fn would_upgrade(host: &mut Host, packages: &[String]) -> Result<Simulation> {
    let mut would = would(host, &["upgrade"], packages).await?;
    would.security.extend(would.added.keys().cloned());
    Ok(would)
}

/// Installs these newer versions, and what they need.
pub(super) async fn upgrade(host: &mut Host, packages: &[String]) -> Result<()> {
    let argv = [&["--assumeyes", "--downloadonly", "upgrade", "--"][..], &words_of(packages)].concat();
    let ran = dnf(host, Work::Download, &argv).await?;
    ensure!(ran.success, "{}", reason(&ran));
    bring(host, &["upgrade"], packages).await
}

fn words_of(packages: &[String]) -> Vec<&str> {
    packages.iter().map(String::as_str).collect()
}

async fn would(host: &mut Host, verb: &[&str], packages: &[String]) -> Result<Simulation> {
    let argv = [&["--assumeno"], verb, &["--"], &words_of(packages)].concat();
    let ran = dnf(host, Work::Download, &argv).await?;
    // It declines its own question, which is no success to it; without a question there was nothing to do.
    let is_declined = ran.said.contains(DECLINED) && ran.stdout.lines().any(|line| line == SUMMARY);
    ensure!(ran.success || is_declined, "{}", reason(&ran));
    Simulation::of_dnf(&ran.stdout, |name| host.packages.get(name).map(|package| package.version.clone()))
}

/// Does this in one transaction.
pub(super) async fn transact(host: &mut Host, verb: Verb, packages: &[String]) -> Result<()> {
    match verb {
        Verb::Install | Verb::InstallAnew => bring(host, words(verb), packages).await,
        // What goes along follows from what is installed alone; the system's own list of what must stay is in force then.
        Verb::Remove | Verb::RemoveUnneeded => act(host, &[], words(verb), packages).await,
    }
}

/// Has packages come, and nothing go for it, whatever dnf said before that it would do: that follows from what repositories tell of their
/// packages, which nobody signs.
async fn bring(host: &mut Host, verb: &[&str], packages: &[String]) -> Result<()> {
    host.packages.refresh(&host.root)?;
    let before = host.packages.of_one_version();
    let protected: String = before.keys().map(|name| format!("{name}\n")).collect();
    let path = host.scratch.join(PROTECTED);
    std::fs::write(&path, protected).with_context(|| format!("writing {}", path.display()))?;
    let protection = format!("--setopt=protected_packages=glob:{}", path.display());
    act(host, &[&protection], verb, packages).await?;
    host.packages.refresh(&host.root)?;
    let older = older(&before, |name| host.packages.get(name).map(|package| package.version.as_str()));
    if !older.is_empty() {
        return Err(GaveOlder(names(&older)).into());
    }
    Ok(())
}

/// A transaction was made, and took packages back to what they were once.
#[derive(Debug, thiserror::Error)]
#[error(
    "a repository of this device gave an older package, whose signature is right, for a newer one: {0}; have its address begin with \
     https://, and install what is newest by hand"
)]
pub(super) struct GaveOlder(String);

/// Which packages are older than they were: dnf takes what a repository calls newer for newer.
fn older<'a>(before: &BTreeMap<String, String>, now: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let is_older = |(name, was): (&String, &String)| {
        let is = now(name).filter(|is| Order::Rpm.compare(is, was).is_lt())?;
        Some(format!("{name} {was} is {is} now"))
    };
    before.iter().filter_map(is_older).collect()
}

async fn act(host: &mut Host, options: &[&str], verb: &[&str], packages: &[String]) -> Result<()> {
    let argv = [&["--assumeyes"], options, verb, &["--"], &words_of(packages)].concat();
    let began = Instant::now();
    loop {
        let ran = dnf(host, Work::Packages, &argv).await?;
        if ran.success {
            return Ok(());
        }
        let may_wait = ran.said.contains(LOCKED) && began.elapsed() < LOCK_TIMEOUT;
        ensure!(may_wait, "{}", reason(&ran));
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

/// Installs once more what a transaction was bringing when it was cut off, so that all scripts of it have run and no version of before is
/// left on record; apart from packages that something else happens to now.
pub(super) async fn finish(host: &mut Host, apart_from: &BTreeSet<&str>) -> Result<()> {
    let cut_off =
        host.packages.cut_off().iter().filter(|package| !apart_from.contains(package.name.as_str()));
    let cut_off: Vec<Package> = cut_off.cloned().collect();
    if cut_off.is_empty() {
        return Ok(());
    }
    reinstall(host, &cut_off).await.with_context(|| {
        format!(
            "dnf was cut off while it installed {}, and can't install that once more: `dnf reinstall` or `dnf remove` by hand brings it in \
             order",
            names(&cut_off.iter().map(whole).collect::<Vec<_>>())
        )
    })?;
    host.packages.refresh(&host.root)
}

/// Installs these anew, or none of them.
async fn reinstall(host: &mut Host, packages: &[Package]) -> Result<()> {
    let specs: Vec<String> = packages.iter().map(whole).collect();
    let would = would(host, words(Verb::InstallAnew), &specs).await?;
    // dnf does what it can for some of them, and its history then says that all is well.
    let missing = packages.iter().find(|one| !would.replaced.contains_key(&named(&one.name, &one.arch)));
    if let Some(missing) = missing {
        anyhow::bail!("no repository of this device has {}", whole(missing));
    }
    bring(host, words(Verb::InstallAnew), &specs).await
}

/// This very package as dnf takes it.
fn whole(package: &Package) -> String {
    let Package { name, version, arch } = package;
    let epoch = if version.contains(':') { "" } else { "0:" };
    format!("{name}-{epoch}{version}.{arch}")
}

/// Whether a transaction failed over the signature of a package, which dnf sees only once it has all of them.
pub(super) fn is_by_one(said: &str) -> bool {
    said.contains("GPG check FAILED")
}

/// Fetches package lists.
pub(super) async fn fetch_lists(host: &mut Host, sources: Sources<'_>) -> Result<()> {
    let mut argv = vec!["--refresh".to_owned()];
    if let Sources::Only(name) = sources {
        argv.push(format!("--repo=muster-{name}"));
        argv.push(format!("--setopt=muster-{name}.skip_if_unavailable=False"));
    }
    argv.push("makecache".to_owned());
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let ran = dnf(host, Work::Download, &argv).await?;
    // One that may be skipped is no failure to dnf.
    ensure!(ran.success && !ran.said.contains("Ignoring repositories: "), "{}", reason(&ran));
    Ok(())
}

/// Which of these packages some repository has, by the lists as they are.
pub(super) async fn known(host: &mut Host, packages: &[&str]) -> Result<BTreeSet<String>> {
    let listed = listed(host, &["--cacheonly"], packages).await?;
    Ok(listed.into_iter().map(|(name, _)| name).collect())
}

/// The versions of a package that the repositories have, the newest first.
pub(super) async fn available(host: &mut Host, package: &str) -> Result<Vec<String>> {
    let listed = listed(host, &[], &[package]).await?;
    let of_it = listed.into_iter().filter(|(name, _)| name == package);
    let mut versions: Vec<String> = of_it.map(|(_, version)| version).collect();
    versions.sort_by(|a, b| Order::Rpm.compare(b, a));
    versions.dedup();
    Ok(versions)
}

/// What the repositories have of these for this machine: names and versions.
async fn listed(host: &mut Host, options: &[&str], packages: &[&str]) -> Result<Vec<(String, String)>> {
    let argv = [options, &["--quiet", "repoquery", "--available", LISTED, "--"], packages].concat();
    let ran = dnf(host, Work::Download, &argv).await?;
    ensure!(ran.success, "{}", reason(&ran));
    let line = |line: &str| {
        let mut fields = line.split('|');
        let (name, version, arch) = (fields.next()?, fields.next()?, fields.next()?);
        is_native(arch).then(|| (name.to_owned(), without_epoch_zero(version).to_owned()))
    };
    Ok(ran.stdout.lines().filter_map(line).collect())
}

fn words(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Install => &["install"],
        Verb::InstallAnew => &["reinstall"],
        Verb::Remove => &["remove"],
        Verb::RemoveUnneeded => &["--setopt=clean_requirements_on_remove=True", "remove"],
    }
}

async fn dnf(host: &mut Host, work: Work, arguments: &[&str]) -> Result<Ran> {
    let mut argv = vec!["/usr/bin/dnf"];
    argv.extend(OPTIONS);
    argv.extend(arguments);
    host.run(work, &argv, None).await.context("is this a system with dnf?")
}

/// What dnf says that explains a failure.
fn reason(ran: &Ran) -> String {
    let lines = ran.said.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.filter(|line| !NOISE.iter().any(|noise| line.starts_with(noise))).collect();
    if lines.is_empty() { ran.said.clone() } else { format!("dnf says: {}", lines.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Simulation {
        Simulation::of_dnf(output, |name| (name == "hello").then(|| "1.0-1".to_owned())).unwrap()
    }

    #[test]
    fn a_table_tells_new_packages_from_upgrades_and_removals() {
        let output = "Dependencies resolved.\n\
            ================\n Package   Architecture   Version   Repository   Size\n================\n\
            Installing:\n app   noarch   1:2.0-1   corp   5.9 k\n newer noarch 2-1 corp 1 k\n     replacing  old-tool.noarch 1.0-1\n\
            Upgrading:\n hello   noarch   0:1.1-1   corp   5.9 k\n     replacing  hello.noarch 1.0-1\n\
            Installing dependencies:\n libx   i686   1-1   corp   5 k\n applib noarch 1-1 corp 1 k\n\
            Enabling module streams:\n nodejs 18\n\
            Removing dependent packages:\n other   noarch   1-1   @corp   4  \n\
            \nTransaction Summary\n================\nInstall  2 Packages\n\nTotal size: 24 k\n";
        let simulation = read(output);
        let added: Vec<String> =
            simulation.added.iter().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(added, ["app 1:2.0-1", "applib 1-1", "libx.i686 1-1", "newer 2-1"]);
        assert_eq!(simulation.replaced["hello"], ("1.0-1".to_owned(), "1.1-1".to_owned()));
        let removed: Vec<&str> = simulation.removed.iter().map(String::as_str).collect();
        assert_eq!(removed, ["old-tool", "other"]);
        assert!(simulation.objection(Order::Rpm).unwrap().contains("old-tool"));
    }

    #[test]
    fn a_downgrade_is_objected_to_and_nothing_is_not() {
        let downgrade = "Downgrading:\n hello noarch 0.9-1 corp 5 k\n\nTransaction Summary\n";
        assert!(read(downgrade).objection(Order::Rpm).unwrap().contains("never downgrades"));
        assert_eq!(read("Dependencies resolved.\nNothing to do.\nComplete!\n"), Simulation::default());
        let again = "Reinstalling:\n hello noarch 1.0-1 corp 6.1 k\n\nTransaction Summary\n";
        assert_eq!(read(again).objection(Order::Rpm), None);
        assert_eq!(read(again).version("hello"), Some("1.0-1"));
    }

    #[test]
    fn what_comes_from_a_file_is_told_from_what_a_repository_has() {
        let output = "Installing:\n tool noarch 1-1 @commandline 6 k\nInstalling dependencies:\n lib noarch 1-1 corp 6 k\n\n\
            Transaction Summary\n";
        assert_eq!(read(output).elsewhere, BTreeSet::from(["lib".to_owned()]));
    }

    #[test]
    fn a_kernel_that_comes_beside_the_one_that_is_there_is_an_update_of_it() {
        let beside = "Installing:\n hello noarch 1.1-1 corp 5 k\nRemoving:\n hello noarch 0.8-1 @corp 5 k\n\nTransaction Summary\n";
        let simulation = read(beside);
        assert_eq!(simulation.replaced["hello"], ("1.0-1".to_owned(), "1.1-1".to_owned()));
        assert!(simulation.added.is_empty() && simulation.objection(Order::Rpm).is_none());
    }

    #[test]
    fn a_version_of_several_lines_hides_nothing_of_what_would_be_done() {
        let of = |version: &str| {
            let table = "Installing:\n evil   noarch   VERSION   corp   5.9 k\n     replacing  kept.noarch 1-1\n\nTransaction Summary\n";
            Simulation::of_dnf(&table.replace("VERSION", version), |_| None)
        };
        assert_eq!(of("1-1").unwrap().removed.into_iter().collect::<Vec<_>>(), ["kept"]);
        for forged in ["1\nTransaction Summary\n-1", "1\n-1", "1 x 1\n\nx"] {
            assert!(of(forged).is_err(), "{forged:?}");
        }
    }

    #[test]
    fn what_became_older_is_found_and_what_is_new_or_gone_is_not() {
        let before = [("gone", "1-1"), ("hello", "1.1-1"), ("same", "1-1"), ("up", "1.9-1")];
        let before = before.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
        let now = BTreeMap::from([("hello", "1.0-1"), ("same", "1-1"), ("up", "1.10-1"), ("new", "0-1")]);
        assert_eq!(older(&before, |name| now.get(name).copied()), ["hello 1.1-1 is 1.0-1 now"]);
    }

    #[test]
    fn a_row_that_was_cut_is_no_transaction_to_make() {
        assert!(Simulation::of_dnf("Removing:\n hello\n\nTransaction Summary\n", |_| None).is_err());
    }

    #[test]
    fn a_reason_leaves_out_what_dnf_always_says() {
        let said = "Unable to detect release version (use '--releasever')\nError: \n Problem: conflicting requests\n  - nothing provides x";
        let ran = Ran { success: false, stdout: String::new(), said: said.to_owned() };
        assert_eq!(reason(&ran), "dnf says: Error:; Problem: conflicting requests; - nothing provides x");
    }

    proptest::proptest! {
        #[test]
        fn no_output_of_dnf_breaks_the_parser(
            output in "(Installing:|Upgrading:|Removing:| |replacing|\\.noarch|0:|Transaction Summary|\n|\\PC){0,60}",
        ) {
            let _ = Simulation::of_dnf(&output, |_| None);
        }
    }
}
