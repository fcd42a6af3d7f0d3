//! Packages by dnf and rpm, on a real device that has both these and apt: Debian's dnf 4.14, and a signed repository on the device.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{ResourceView, TableView};
use muster_proto::state::Mode;
use muster_tests::{Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";

/// Server and a device that uses dnf.
fn enroll(network: &Network) -> Result<Fleet<'_>> {
    Fleet::enroll_with_dnf(network, DEVICE)
}

/// Has the device converge to these resources; the assignment.
fn apply(fleet: &Fleet<'_>, profile: &str, resources: &str) -> Result<String> {
    fleet.admin.save_profile(profile, &format!("muster: 1\nprofile: {profile}\nresources:\n{resources}"))?;
    let assignment = fleet.admin.assign(profile, &format!("device:{DEVICE}"), Mode::Enforce)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    Ok(assignment.id)
}

/// A resource of the device once `is_so`.
fn wait_for(fleet: &Fleet<'_>, id: &str, is_so: impl Fn(&ResourceView) -> bool) -> Result<ResourceView> {
    let find = || -> Result<Option<ResourceView>> {
        Ok(fleet.admin.resources(DEVICE)?.into_iter().find(|one| one.resource.as_str() == id))
    };
    let waited =
        wait_until(&format!("{id} to be told of"), Duration::from_secs(90), || Ok(find()?.filter(&is_so)));
    waited.with_context(|| format!("told is {:?}", find()))
}

fn reason(view: &ResourceView) -> &str {
    view.reason.as_deref().unwrap_or_default()
}

#[test]
fn packages_come_in_the_version_that_is_asked_for_and_go_with_what_they_brought() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = device.rpm_repository()?;
    let hello = |version: &str| {
        format!("{corp}  - packages: [tool]\n  - package: {{ name: hello, version: \"{version}\" }}\n")
    };

    apply(&fleet, "dnf", &hello("1.0"))?;
    assert_eq!(device.rpms()?, "hello-1.0 kept-1 tool-1 tool-lib-1");
    // The device tells of its packages, and whoever is at it can ask.
    let asked =
        device.exec(["muster-agent", "query", "SELECT version FROM rpm_packages WHERE name = 'hello'"])?;
    assert!(asked.ok()?.stdout.contains("1.0"));
    wait_until("the server to know of the packages", Duration::from_secs(60), || {
        let table: TableView = fleet.admin.get(&format!("/devices/{DEVICE}/tables/rpm_packages"))?;
        let is_hello =
            |row: &Vec<serde_json::Value>| row.starts_with(&["hello".into(), "1.0".into(), "1".into()]);
        Ok(table.rows.iter().any(is_hello).then_some(()))
    })?;
    let log = device.read_file("/var/log/dnf.log")?;
    device.plans_nothing()?;
    assert_eq!(device.read_file("/var/log/dnf.log")?, log, "dnf was asked although nothing has changed");

    // Drift is noticed and repaired, and nothing else changes for it.
    device.exec(["rpm", "-e", "tool"])?.ok()?;
    wait_until("the package to be back", Duration::from_secs(60), || {
        Ok((device.rpms()? == "hello-1.0 kept-1 tool-1 tool-lib-1").then_some(()))
    })?;

    // Upwards it goes, and not down again.
    apply(&fleet, "dnf", &hello(">= 1.1"))?;
    assert_eq!(device.rpms()?, "hello-1.1 kept-1 tool-1 tool-lib-1");
    fleet.admin.save_profile("dnf", &format!("muster: 1\nprofile: dnf\nresources:\n{}", hello("= 1.0-1")))?;
    fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let blocked = wait_for(&fleet, "package:hello", |one| one.outcome == OutcomeKind::Blocked)?;
    assert!(reason(&blocked).contains("Muster never downgrades"), "{}", reason(&blocked));
    assert_eq!(device.rpms()?, "hello-1.1 kept-1 tool-1 tool-lib-1");

    // Another profile needs one of them too, and an admin installs what needs what came along with it.
    let first = apply(&fleet, "dnf", &hello(">= 1.1"))?;
    let other = apply(&fleet, "other", "  - packages: [tool]\n")?;
    device.exec(["dnf", "-y", "install", "other"])?.ok()?;
    fleet.admin.unassign(&first)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.rpms()?, "kept-1 other-1 tool-1 tool-lib-1");
    fleet.admin.unassign(&other)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.rpms()?, "kept-1 other-1 tool-lib-1");
    // Neither the repository is left, nor that rpm trusts its key.
    assert!(!device.path("/etc/yum.repos.d/muster-corp.repo").exists());
    assert!(!device.path("/etc/pki/rpm-gpg/RPM-GPG-KEY-muster-corp").exists());
    assert_eq!(device.exec(["rpm", "-q", "gpg-pubkey"])?.line(), "package gpg-pubkey is not installed");
    Ok(())
}

#[test]
fn what_would_take_something_along_is_blocked_and_what_is_not_signed_is_refused() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = device.rpm_repository()?;
    apply(
        &fleet,
        "dnf",
        &format!(
            "{corp}  - package: {{ name: Name_With.Dots, version: \"< 1.2\" }}\n  - packages: [other]\n"
        ),
    )?;
    assert_eq!(device.rpms()?, "Name_With.Dots-1.2~rc1 kept-1 other-1 tool-lib-1");

    let wrong = format!(
        "{corp}  - packages: [other, bare, rival, nothing-of-that-name, hello-1.0]\n  - package: {{ name: tool-lib, state: absent }}\n  \
         - package: {{ name: kept, state: absent }}\n  - repository: {{ name: deb, url: \"file:///srv/debs\", suite: s, components: [main], key: \"-----BEGIN PGP PUBLIC KEY BLOCK-----\" }}\n  \
"
    );
    fleet.admin.save_profile("dnf", &format!("muster: 1\nprofile: dnf\nresources:\n{wrong}"))?;
    fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
    for (id, outcome, said) in [
        ("package:tool-lib", OutcomeKind::Blocked, "removing it would also remove other"),
        ("package:bare", OutcomeKind::Failed, "is not signed"),
        ("package:nothing-of-that-name", OutcomeKind::Failed, "nothing-of-that-name"),
        ("package:hello-1.0", OutcomeKind::Failed, "no repository of this device has hello-1.0"),
        ("repository:deb", OutcomeKind::Failed, "this device uses dnf"),
    ] {
        let told = wait_for(&fleet, id, |one| one.outcome == outcome)?;
        assert!(reason(&told).contains(said), "{id}: {}", reason(&told));
    }
    // What was there before any profile is removed as one says, and only that makes room for its rival: what is not signed keeps it from
    // nobody.
    device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
    wait_until("the rest to be done", Duration::from_secs(60), || {
        Ok((device.rpms()? == "other-1 rival-1 tool-lib-1").then_some(()))
    })
    .with_context(|| format!("there is {:?}", device.rpms()))
}

#[test]
fn a_transaction_that_was_cut_off_is_brought_to_its_end() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = device.rpm_repository()?;
    for (version, begun) in [("1", 1), ("2", 3)] {
        let slow = format!("{corp}  - package: {{ name: slow, version: \"{version}\" }}\n");
        fleet.admin.save_profile("dnf", &format!("muster: 1\nprofile: dnf\nresources:\n{slow}"))?;
        fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
        let lines = |word: &str| -> Result<usize> {
            let log = device.read_file("/var/log/slow").unwrap_or_default();
            Ok(log.lines().filter(|line| *line == word).count())
        };
        wait_until("its script to begin", Duration::from_secs(60), || {
            Ok((lines("begin")? == begun).then_some(()))
        })?;
        device.exec(["pkill", "-KILL", "-f", "/usr/bin/dnf"])?.ok()?;
        // rpm has it on record by now, beside the version before, and its script never ended.
        fleet.admin.wait_until_applied(DEVICE)?;
        wait_until("its script to have run to the end", Duration::from_secs(60), || {
            Ok((lines("end")? == begun.div_ceil(2)).then_some(()))
        })
        .with_context(|| device.journal("muster-agent.service"))?;
        wait_for(&fleet, "package:slow", |one| {
            matches!(one.outcome, OutcomeKind::Repaired | OutcomeKind::Kept)
        })?;
        assert_eq!(device.rpms()?, format!("kept-1 slow-{version}"));
    }
    Ok(())
}

#[test]
fn a_lease_of_packages_begins_and_ends_by_itself_and_leaves_what_was_there_before() -> Result<()> {
    /// Within so many seconds of its end a package is gone, on a busy machine too.
    const BOUND: i64 = 60;
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = device.rpm_repository()?;
    let leased =
        |end: &str| format!("{corp}  - package: {{ name: tool{end} }}\n  - package: {{ name: kept{end} }}\n");
    apply(&fleet, "dnf", &leased(""))?;
    assert_eq!(device.rpms()?, "kept-1 tool-1 tool-lib-1");

    let now = || Timestamp::from_system(SystemTime::now());
    let (begin, end) = (now().plus_seconds(20), now().plus_seconds(40));
    let later = format!("  - package: {{ name: hello, version: \"1.0\", not_before: \"{begin}\" }}\n");
    apply(&fleet, "dnf", &(leased(&format!(", not_after: \"{end}\"")) + &later))?;
    // Nobody has to tell the device when.
    device.cut_off()?;
    assert_eq!(device.rpms()?, "kept-1 tool-1 tool-lib-1");
    let wait = |what: &str, packages: &str| {
        wait_until(what, Duration::from_secs(120), || Ok((device.rpms()? == packages).then_some(now())))
            .with_context(|| format!("{:?}\n{}", device.rpms(), device.journal("muster-agent")))
    };
    assert!(wait("a lease to begin", "hello-1.0 kept-1 tool-1 tool-lib-1")? >= begin);
    let ended = wait("the others to end", "hello-1.0 kept-1")?;
    assert!((0..BOUND).contains(&(ended.seconds() - end.seconds())), "{end} was the end, and {ended} came");
    device.reconnect()?;
    wait_for(&fleet, "package:hello", |one| {
        matches!(one.outcome, OutcomeKind::Repaired | OutcomeKind::Kept)
    })?;
    Ok(())
}

#[test]
fn whoever_else_works_on_packages_is_waited_for() -> Result<()> {
    const GO: &str = "/run/go";
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = device.rpm_repository()?;
    let begun = || {
        Ok::<_, anyhow::Error>(
            device.read_file("/var/log/slow").unwrap_or_default().lines().last() == Some("begin"),
        )
    };
    // First rpm alone, which only who changes something waits for, then dnf, which who asks another dnf waits for, too.
    for (holder, packages, asked, there) in [
        (
            &["rpm", "-i", "/srv/rpms/noarch/waits-1-1.noarch.rpm"][..],
            "tool",
            "dnf.*--assumeyes.* tool$",
            "kept-1 tool-1 tool-lib-1 waits-1",
        ),
        (
            &["dnf", "-y", "upgrade", "waits"],
            "tool, other",
            "dnf.*--assumeno.* other$",
            "kept-1 other-1 tool-1 tool-lib-1 waits-2",
        ),
    ] {
        let run = ["systemd-run", "--quiet", "--unit=holder", "--setenv=HOME=/root"];
        device.exec([&run[..], holder].concat())?.ok()?;
        wait_until("the lock to be held", Duration::from_secs(60), || Ok(begun()?.then_some(())))?;
        let source = format!("muster: 1\nprofile: dnf\nresources:\n{corp}  - packages: [{packages}]\n");
        fleet.admin.save_profile("dnf", &source)?;
        fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
        let before = device.rpms()?;
        let asked = wait_until("dnf to be asked for it", Duration::from_secs(60), || {
            Ok(device.exec(["pgrep", "-f", asked])?.success().then_some(()))
        });
        asked.with_context(|| device.journal("muster-agent"))?;
        assert_eq!(device.rpms()?, before, "{holder:?} held no lock");
        device.write_file(GO, "", 0o644)?;
        fleet.admin.wait_until_applied(DEVICE)?;
        assert_eq!(device.rpms()?, there);
        device.exec(["rm", GO])?.ok()?;
    }
    Ok(())
}

#[test]
fn power_that_goes_in_the_midst_of_a_transaction_leaves_no_package_half_installed() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = enroll(&network)?;
    let corp = fleet.device(DEVICE)?.rpm_repository()?;
    let device = fleet.devices.get_mut(DEVICE).context(DEVICE)?;
    device.power_off()?;
    device.move_to_own_disk()?;
    device.start()?;
    fleet.wait_until_connected(DEVICE)?;
    for version in ["1", "2"] {
        let device = fleet.device(DEVICE)?;
        device.exec(["rm", "-f", "/var/log/slow"])?.ok()?;
        let source = format!(
            "muster: 1\nprofile: dnf\nresources:\n{corp}  - package: {{ name: slow, version: \"{version}\" }}\n  - packages: [tool]\n"
        );
        fleet.admin.save_profile("dnf", &source)?;
        fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
        wait_until("its script to begin", Duration::from_secs(60), || {
            Ok(device.path("/var/log/slow").exists().then_some(()))
        })
        .with_context(|| device.journal("muster-agent"))?;
        let device = fleet.devices.get_mut(DEVICE).context(DEVICE)?;
        device.cut_power()?;
        device.start()?;
        fleet.wait_until_connected(DEVICE)?;
        fleet.admin.wait_until_applied(DEVICE)?;
        // Once more, and this time right behind its end.
        fleet.devices.get_mut(DEVICE).context(DEVICE)?.cut_power()?;
        fleet.devices.get_mut(DEVICE).context(DEVICE)?.start()?;
        fleet.wait_until_connected(DEVICE)?;
        let device = fleet.device(DEVICE)?;
        let there = format!("kept-1 slow-{version} tool-1 tool-lib-1");
        wait_until(
            "all to be there",
            Duration::from_secs(90),
            || Ok((device.rpms()? == there).then_some(())),
        )
        .with_context(|| format!("{:?}\n{}", device.rpms(), device.journal("muster-agent")))?;
        fleet.admin.wait_until_applied(DEVICE)?;
        device.exec(["rpm", "-V", "slow", "tool", "tool-lib"])?.ok()?;
        let log = device.read_file("/var/log/slow")?;
        assert_eq!(log.lines().last(), Some("end"), "its script never ran to the end");
    }
    Ok(())
}

/// Has the repository tell of `other` that it takes the place of `kept`, and that it has another version, and of `hello` at 1.0 that it is at
/// 1.9. Nobody signs what it tells.
const FORGE: &str = r#"
import glob, re, subprocess, sys
path = glob.glob("/srv/rpms/repodata/*-primary.xml*")[0]
told = subprocess.run(["zcat", path], capture_output=True, check=True, text=True).stdout
packages = re.split("(?=<package )", told)
for number, package in enumerate(packages):
    if "<name>other</name>" in package:
        package = re.sub('ver="1"', f'ver="{sys.argv[1]}"', package)
        entry = '<format><rpm:obsoletes><rpm:entry name="kept"/></rpm:obsoletes>'
        packages[number] = package.replace("<format>", entry)
    elif "<name>hello</name>" in package:
        packages[number] = package.replace('ver="1.0"', 'ver="1.9"')
open("/tmp/primary.xml", "w").write("".join(packages))
subprocess.run(["modifyrepo_c", "--remove", "primary", "/srv/rpms/repodata"], check=True)
subprocess.run(["modifyrepo_c", "--mdtype=primary", "/tmp/primary.xml", "/srv/rpms/repodata"], check=True)
"#;

/// Has the repository tell that only once dnf was asked what it would do, and is about to do it.
const LATE: &str = r#"
set -eu
mv /usr/bin/dnf /usr/bin/dnf.own
cat >/usr/bin/dnf <<'SH'
#!/bin/sh
case "$*" in *--assumeyes*)
    python3 /srv/forge.py 1 >/dev/null 2>&1
    /usr/bin/dnf.own -q makecache --refresh ;;
esac
exec /usr/bin/dnf.own "$@"
SH
chmod 0755 /usr/bin/dnf
"#;

#[test]
fn what_a_repository_tells_of_its_packages_removes_none_that_is_there() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = device.rpm_repository()?;
    device.write_file("/srv/forge.py", FORGE, 0o644)?;
    let honest = "createrepo_c -q /srv/rpms && dnf -q makecache --refresh";
    device.exec(["python3", "/srv/forge.py", "1&#10;Transaction Summary&#10;"])?.ok()?;
    let source = format!("muster: 1\nprofile: dnf\nresources:\n{corp}  - packages: [other]\n");
    fleet.admin.save_profile("dnf", &source)?;
    fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let failed = |said: &str| {
        let told = wait_for(&fleet, "package:other", |one| {
            one.outcome == OutcomeKind::Failed && reason(one).contains(said)
        })?;
        assert_eq!(device.rpms()?, "kept-1", "{}", reason(&told));
        Ok::<_, anyhow::Error>(())
    };
    failed("a version that no package can have")?;

    // While the agent is away: a turn of before would meet the one half of it.
    let change = |commands: &[&str]| {
        for command in
            ["systemctl stop muster-agent"].iter().chain(commands).chain(&["systemctl start muster-agent"])
        {
            device.exec(["sh", "-c", command])?.ok()?;
        }
        Ok::<_, anyhow::Error>(())
    };
    change(&[honest, LATE])?;
    failed("protected packages: kept")?;

    change(&["mv /usr/bin/dnf.own /usr/bin/dnf", honest])?;
    wait_until("what is told honestly to be installed", Duration::from_secs(60), || {
        Ok((device.rpms()? == "kept-1 other-1 tool-lib-1").then_some(()))
    })?;

    // An old package is signed as well, and dnf takes it for what the repository says that it is.
    device.exec(["rpm", "-i", "/srv/rpms/noarch/hello-1.1-1.noarch.rpm"])?.ok()?;
    device.exec(["python3", "/srv/forge.py", "1"])?.ok()?;
    device.exec(["dnf", "-q", "makecache", "--refresh"])?.ok()?;
    let all = format!("{corp}  - package: {{ name: kept, version: \"1\" }}\n  - updates: {{ which: all }}\n");
    fleet.admin.save_profile("dnf", &format!("muster: 1\nprofile: dnf\nresources:\n{all}"))?;
    fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let told = wait_for(&fleet, "updates:updates", |one| one.outcome == OutcomeKind::Failed)?;
    assert!(reason(&told).contains("hello 1.1-1 is 1.0-1 now"), "{}", reason(&told));
    Ok(())
}
