//! apt: what a transaction would do, and doing it. It runs in a transient unit and never prompts.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use muster_proto::resource::repository::Repository;

use super::transaction::{Simulation, Sources, Verb};
use crate::host::Host;
use crate::host::run::{Ran, Work};
use crate::host::version::Order;

/// Removing what nobody needs, and marking, are left to admins; a file that an admin changed is kept. What was downloaded goes once it
/// is installed, as nothing else would ever make room again.
const OPTIONS: [&str; 16] = [
    "-q",
    "-y",
    "-o",
    "DPkg::Lock::Timeout=300",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "Dpkg::Use-Pty=0",
    "-o",
    "APT::Install-Recommends=false",
    "-o",
    "APT::Install-Suggests=false",
    "-o",
    "APT::Get::AutomaticRemove=false",
    "-o",
    "APT::Keep-Downloaded-Packages=false",
];

/// The priority that a repository has where neither it nor an admin says otherwise (`apt_preferences(5)`).
const USUAL_PRIORITY: i32 = 500;

/// What stands before the names of packages that apt keeps as they are.
const KEPT_BACK: &str = "The following packages have been kept back:";

/// What stands before what packages need and can't have.
const UNMET: &str = "The following packages have unmet dependencies:";

impl Simulation {
    /// Reads what apt-get says that it would do.
    fn of_apt(output: &str) -> Self {
        let mut simulation = Self::default();
        let mut kept_back = false;
        for line in output.lines() {
            if line.starts_with(' ') && kept_back {
                simulation.kept_back.extend(line.split_whitespace().map(str::to_owned));
                continue;
            }
            kept_back = line == KEPT_BACK;
            let mut words = line.split_whitespace();
            let (Some(verb), Some(package)) = (words.next(), words.next()) else { continue };
            let old = line.split_once(" [").and_then(|(_, rest)| rest.split(']').next());
            let new = line.split_once(" (").and_then(|(_, rest)| rest.split([' ', ')']).next());
            if let Some((_, version)) = line.split_once(" (").filter(|_| verb == "Inst") {
                if is_security(version) {
                    simulation.security.insert(package.to_owned());
                }
                if repositories(version).contains(", ") {
                    simulation.elsewhere.insert(package.to_owned());
                }
            }
            match (verb, old, new) {
                ("Inst", Some(old), Some(new)) if line.find(" [") < line.find(" (") => {
                    simulation.replaced.insert(package.to_owned(), (old.to_owned(), new.to_owned()));
                }
                ("Inst", _, Some(new)) => {
                    simulation.added.insert(package.to_owned(), new.to_owned());
                }
                ("Remv" | "Purg", _, _) => {
                    simulation.removed.insert(package.to_owned());
                }
                _ => {}
            }
        }
        simulation
    }
}

/// The repositories that have a version: `VERSION LABEL:RELEASE/SUITE, ... [ARCHITECTURE]`.
fn repositories(version: &str) -> &str {
    let (_, repositories) = version.split_once(' ').unwrap_or_default();
    repositories.split([')', '[']).next().unwrap_or_default()
}

/// Whether one for security updates is among them.
fn is_security(version: &str) -> bool {
    // What a repository does not say of itself is left out with its sign.
    let suite = |repository: &str| repository.trim().rsplit(['/', ':']).next().map(str::to_owned);
    repositories(version).split(", ").filter_map(suite).any(|suite| suite.ends_with("-security"))
}

/// The suites of repositories for security updates from which apt installs newer versions by itself. An admin may have given others a
/// lower priority, and some ask for one themselves: those are for what somebody names.
pub(super) async fn security_suites(host: &mut Host) -> Result<BTreeSet<String>> {
    let ran = host.run(Work::Download, &["/usr/bin/apt-cache", "policy"], None).await?;
    Ok(usual_security_suites(&ran.ok("apt-cache policy")?.stdout))
}

/// Reads lines with a priority and a repository, each before one that says which `release` it has.
fn usual_security_suites(output: &str) -> BTreeSet<String> {
    let mut is_usual = false;
    let mut suites = BTreeSet::new();
    for line in output.lines().map(str::trim_start) {
        if let Some(release) = line.strip_prefix("release ") {
            let suite = release.split(',').find_map(|field| field.strip_prefix("a="));
            // Such names mean nothing else where apt is given an expression.
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
            suites.extend(
                suite
                    .filter(|suite| is_usual && suite.ends_with("-security") && suite.chars().all(is_plain))
                    .map(str::to_owned),
            );
        } else if let Some(Ok(priority)) = line.split(' ').next().map(str::parse::<i32>) {
            is_usual = priority >= USUAL_PRIORITY;
        }
    }
    suites
}

/// How apt-get is asked for it.
pub(super) fn verb(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Install => &["install"],
        Verb::InstallAnew => &["--reinstall", "install"],
        Verb::Remove => &["remove"],
        // By default apt takes what another package merely suggests for needed.
        Verb::RemoveUnneeded => {
            &["-o", "APT::AutoRemove::SuggestsImportant=false", "remove", "--auto-remove"]
        }
    }
}

/// Says what `apt-get VERB PACKAGES` would do.
pub(super) async fn simulate(host: &mut Host, verb: &[&str], packages: &[String]) -> Result<Simulation> {
    let mut argv = vec!["--simulate"];
    argv.extend(verb);
    argv.push("--");
    argv.extend(packages.iter().map(String::as_str));
    let ran = apt_get(host, Work::Download, &argv).await?;
    ensure!(ran.success, "{}", reason(&ran));
    Ok(Simulation::of_apt(&ran.stdout))
}

/// Downloads what `apt-get VERB PACKAGES` takes. What a slow network leaves undone goes on from there the next time.
pub(super) async fn download(host: &mut Host, verb: &[&str], packages: &[String]) -> Result<()> {
    let argv = [&["--download-only"], verb, &["--"]].concat();
    let argv: Vec<&str> = argv.into_iter().chain(packages.iter().map(String::as_str)).collect();
    let ran = apt_get(host, Work::Download, &argv).await?;
    ensure!(ran.success, "{}", reason(&ran));
    Ok(())
}

/// Has apt and dpkg bring to its end what was cut off, and nothing else.
pub(super) async fn finish(host: &mut Host, admits: impl Fn(&str, &str) -> bool) -> Result<()> {
    /// Nothing goes for it.
    const FINISH: [&str; 3] = ["--fix-broken", "--no-remove", "install"];
    let would = simulate(host, &FINISH, &[]).await?;
    let replaced = would.replaced.iter().map(|(name, (_, new))| (name, new));
    let other = replaced.chain(&would.added).find(|(name, version)| !admits(name, version));
    let objection = would.objection(Order::Dpkg).or_else(|| {
        other.map(|(name, version)| {
            format!("it takes {name} {version}, and a profile asks for another version")
        })
    });
    if let Some(objection) = objection {
        anyhow::bail!("what was cut off can't be brought to its end: {objection}");
    }
    transact(host, &FINISH, &[]).await
}

/// Does `apt-get VERB PACKAGES` in one transaction, after repairing one that was cut off.
pub(super) async fn transact(host: &mut Host, verb: &[&str], packages: &[String]) -> Result<()> {
    let mut argv = verb.to_vec();
    argv.push("--");
    argv.extend(packages.iter().map(String::as_str));
    let mut ran = apt_get(host, Work::Packages, &argv).await?;
    if !ran.success && ran.said.contains("dpkg --configure -a") {
        let repair = ["/usr/bin/dpkg", "--force-confold", "--configure", "-a"];
        host.run(Work::Packages, &repair, None).await?.ok("repairing an interrupted dpkg")?;
        ran = apt_get(host, Work::Packages, &argv).await?;
    }
    ensure!(ran.success, "{}", reason(&ran));
    Ok(())
}

/// Fetches package lists.
pub(super) async fn fetch_lists(host: &mut Host, sources: Sources<'_>) -> Result<()> {
    // Without Error-Mode=any apt takes an unreachable repository for a success.
    let mut argv = vec!["-o", "APT::Update::Error-Mode=any"];
    let list;
    if let Sources::Only(name) = sources {
        list = format!("Dir::Etc::SourceList={}", Repository::sources_path(name));
        argv.extend([
            "-o",
            &list,
            "-o",
            "Dir::Etc::SourceParts=/dev/null",
            "-o",
            "APT::Get::List-Cleanup=false",
        ]);
    }
    argv.push("update");
    let ran = apt_get(host, Work::Download, &argv).await?;
    ensure!(ran.success, "{}", reason(&ran));
    Ok(())
}

/// Which of these packages some repository has, by the lists as they are.
pub(super) async fn known(host: &mut Host, packages: &[&str]) -> Result<BTreeSet<String>> {
    let argv = [&["/usr/bin/apt-cache", "madison", "--"][..], packages].concat();
    let ran = host.run(Work::Packages, &argv, None).await?.ok("apt-cache madison")?;
    // A name that no package has is matched as an expression, so that others are listed for it.
    let names = ran.stdout.lines().filter_map(|line| line.split('|').next());
    Ok(names.map(|name| name.trim().to_owned()).collect())
}

/// The versions of a package that the repositories have, the newest first.
pub(super) async fn available(host: &mut Host, package: &str) -> Result<Vec<String>> {
    let argv = ["/usr/bin/apt-cache", "madison", "--", package];
    let ran = host.run(Work::Packages, &argv, None).await?.ok("apt-cache madison")?;
    let mut versions: Vec<String> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(|version| version.trim().to_owned())
        .collect();
    versions.sort_by(|a, b| Order::Dpkg.compare(b, a));
    versions.dedup();
    Ok(versions)
}

async fn apt_get(host: &mut Host, work: Work, arguments: &[&str]) -> Result<Ran> {
    let mut argv = vec!["/usr/bin/apt-get"];
    argv.extend(OPTIONS);
    argv.extend(arguments);
    host.run(work, &argv, None).await.context("is this a system with apt?")
}

/// apt's own errors, or the end of what it said where it named none. What is wrong with a signature is a warning of apt,
/// behind which it calls the repository "not signed".
fn reason(ran: &Ran) -> String {
    let said = |prefix: &'static str| ran.said.lines().filter_map(move |line| line.strip_prefix(prefix));
    let errors: Vec<&str> = said("E: ").collect();
    let unsigned = errors.iter().any(|error| error.contains("is not signed"));
    let signatures = said("W: ").filter(|warning| unsigned && warning.starts_with("GPG error"));
    let lines: Vec<&str> = signatures.chain(errors.iter().copied()).collect();
    // What a package lacks stands on the other channel, below a line of its own.
    let below = ran.stdout.lines().skip_while(|line| *line != UNMET).skip(1);
    let unmet: Vec<&str> = below.take_while(|line| line.starts_with(' ')).map(str::trim).collect();
    let lines: Vec<&str> = lines.into_iter().chain(unmet).collect();
    if lines.is_empty() { ran.said.clone() } else { format!("apt says: {}", lines.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_tells_new_packages_from_upgrades_and_removals() {
        let output = "NOTE: This is only a simulation!\nReading package lists...\n\
                      Remv telnet [0.17-44] [other:amd64 ]\n\
                      Inst nginx-light (1.22.1-9+deb12u1 Debian:12.8/stable, Debian-Security:12 [amd64])\n\
                      Inst curl [7.88-1] (7.88-2 Debian:12 [amd64]) []\n\
                      Conf nginx-light (1.22.1-9+deb12u1 Debian:12.8/stable [amd64])\n";
        let simulation = Simulation::of_apt(output);
        assert_eq!(simulation.version("nginx-light"), Some("1.22.1-9+deb12u1"));
        assert_eq!(simulation.replaced["curl"], ("7.88-1".to_owned(), "7.88-2".to_owned()));
        assert_eq!(simulation.added.len(), 1);
        assert_eq!(simulation.objection(Order::Dpkg).unwrap(), "installing it would remove telnet");
    }

    #[test]
    fn what_is_for_security_and_what_is_kept_back_is_told_by_apt_itself() {
        let output = "The following packages have been kept back:\n  linux-image-amd64 nginx\n  redis\n\
                      The following packages will be upgraded:\n  curl tzdata\n\
                      Inst curl [7.88-1] (7.88-2 Debian:12.8/stable, Debian-Security:12/stable-security [amd64])\n\
                      Inst tzdata [1] (2 Debian:12-updates/stable-updates [all])\n\
                      Inst openssl [1] (2 Ubuntu:22.04/jammy-security [amd64]) []\n\
                      Inst odd [1] (2-security Corp:1/stable [amd64])\n\
                      Inst bare [1] (2 corp-security [all])\n\
                      Inst local [1] (2 localhost [all])\nConf curl (7.88-2 Debian-Security:12/stable-security [amd64])\n";
        let simulation = Simulation::of_apt(output);
        let words = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&simulation.kept_back), "linux-image-amd64 nginx redis");
        assert_eq!(words(&simulation.security), "bare curl openssl");
        assert_eq!(words(&simulation.elsewhere), "curl");
        assert_eq!(simulation.replaced.len(), 6);
    }

    #[test]
    fn a_repository_for_security_updates_that_nothing_is_taken_from_by_itself_does_not_count() {
        let output = "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n\
                      500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages\n     \
                      release v=12,o=Debian,a=stable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64\n     \
                      origin deb.debian.org\n \
                      -10 http://deb.debian.org/debian-security trixie-security/main amd64 Packages\n     \
                      release v=13,o=Debian,a=testing-security,n=trixie-security,l=Debian-Security,c=main,b=amd64\n \
                      500 http://corp stable/main amd64 Packages\n     release o=Corp,a=stable,n=corp,l=x-security,c=main\n \
                      500 http://odd x/main amd64 Packages\n     release a=.*-security|(x-security,n=x\n\
                      Pinned packages:\n     7zip -> 1 with priority 500\n";
        assert_eq!(usual_security_suites(output), BTreeSet::from(["stable-security".to_owned()]));
    }

    proptest::proptest! {
        #[test]
        fn no_list_of_repositories_breaks_the_parser(output in "(release |a=|x-security|,|-?[0-9]{1,12}| |\n|\\PC){0,60}") {
            usual_security_suites(&output);
        }

        #[test]
        fn no_output_of_apt_breaks_the_parser(output in "(Inst |Remv |\\[|\\]|\\(|\\)|, |:|/|-security| |\n|\\PC){0,60}") {
            Simulation::of_apt(&output);
        }
    }

    #[test]
    fn a_downgrade_is_objected_to() {
        let simulation = Simulation::of_apt("Inst curl [7.88-2] (7.88-1 Debian:12 [amd64])\n");
        assert!(simulation.objection(Order::Dpkg).unwrap().contains("never downgrades"));
        assert_eq!(
            Simulation::of_apt("Inst curl [7.88-1] (7.88-2 D [amd64])\n").objection(Order::Dpkg),
            None
        );
    }

    #[test]
    fn a_repository_signed_by_another_key_is_not_just_called_unsigned() {
        let said = "W: GPG error: http://deb stable InRelease: The following signatures couldn't be verified because \
                    the public key is not available: NO_PUBKEY 1234\n\
                    E: The repository 'http://deb stable InRelease' is not signed.\n";
        let ran = |said: &str| Ran { success: false, stdout: String::new(), said: said.to_owned() };
        let told = reason(&ran(said));
        assert!(
            told.starts_with("apt says: GPG error: ") && told.contains("NO_PUBKEY 1234; The rep"),
            "{told}"
        );
        assert_eq!(reason(&ran("W: GPG error: old\nE: no space\n")), "apt says: no space");
        let stdout =
            format!("Done\n{UNMET}\n tool : Depends: no-such\n        Depends: nor-this\nSome more\n");
        let lacks = Ran { stdout, ..ran("E: held broken packages.\n") };
        assert_eq!(
            reason(&lacks),
            "apt says: held broken packages.; tool : Depends: no-such; Depends: nor-this"
        );
    }
}
