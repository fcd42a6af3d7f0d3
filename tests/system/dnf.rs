//! Packages by dnf and rpm, on a real device that has both these and apt: Debian's dnf 4.14, and a signed repository on the device.

use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::ResourceView;
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";

/// Makes packages, signs them with a key of a company, and indexes them. `tool` needs `tool-lib`, as `other` does; `slow` says when its
/// script begins and ends; `bare` is not signed; `rival` would take the place of `kept`.
const SET_UP: &str = r#"
set -eu
export HOME=/root DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install dnf rpm createrepo-c gpg gpg-agent
mkdir -p /etc/rpm /srv/rpms
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
install -d -m 0700 /srv/keys
gpg --homedir /srv/keys --batch --quiet --passphrase '' --quick-generate-key corp rsa3072 sign never
gpg --homedir /srv/keys --batch --armor --export >/srv/corp.asc
make() {
    printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: x\nLicense: none\nBuildArch: noarch\n%b\n%%description\nx\n%%files\n/usr/share/%s.txt\n%b\n' \
        "$1" "$2" "${3:-}" "$1" "${4:-}" >/tmp/x.spec
    rm -rf /tmp/tree
    mkdir -p /tmp/tree/usr/share
    echo "$2" >"/tmp/tree/usr/share/$1.txt"
    rpmbuild -bb --quiet --buildroot /tmp/tree --define '_rpmdir /srv/rpms' --define '__spec_install_pre %{nil}' \
        --define '__spec_install_post %{nil}' /tmp/x.spec
}
slow='%post -p <lua>\nlocal f = io.open("/var/log/slow", "a") f:write("begin\\n") f:close()\nposix.sleep(6)\nlocal f = io.open("/var/log/slow", "a") f:write("end\\n") f:close()\n'
make hello 1.0
make hello 1.1
make tool 1 'Requires: tool-lib'
make tool-lib 1
make other 1 'Requires: tool-lib'
make kept 1
make kept 2
make rival 1 'Conflicts: kept'
make slow 1 '' "$slow"
make slow 2 '' "$slow"
make Name_With.Dots 1.2~rc1
rpmsign --addsign --define '_gpg_name corp' --define '_gpg_path /srv/keys' --define '__gpg /usr/bin/gpg' /srv/rpms/noarch/*.rpm
make bare 1
createrepo_c -q /srv/rpms
rpm -i /srv/rpms/noarch/kept-1-1.noarch.rpm
printf 'packages = "dnf"\n' >>/etc/muster/agent.toml
systemctl restart muster-agent.service
"#;

/// Server and a device that uses dnf.
fn enroll(network: &Network) -> Result<Fleet<'_>> {
    let fleet = Fleet::enroll(network, &[DEVICE])?;
    fleet.device(DEVICE)?.exec_within(["sh", "-c", SET_UP], Duration::from_secs(240))?.ok()?;
    fleet.wait_until_connected(DEVICE)?;
    Ok(fleet)
}

/// The repository of the device as a resource.
fn repository(device: &Device<'_>) -> Result<String> {
    let key = device.read_file("/srv/corp.asc")?.replace('\n', "\\n");
    Ok(format!("  - repository: {{ name: corp, url: \"file:///srv/rpms\", key: \"{key}\" }}\n"))
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

/// What rpm has, apart from keys.
fn installed(device: &Device<'_>) -> Result<String> {
    let output = device.exec(["rpm", "-qa", "--qf", "%{name}-%{version}\n"])?.ok()?;
    let mut names: Vec<&str> = output.stdout.lines().filter(|line| !line.starts_with("gpg-pubkey")).collect();
    names.sort_unstable();
    Ok(names.join(" "))
}

fn reason(view: &ResourceView) -> &str {
    view.reason.as_deref().unwrap_or_default()
}

#[test]
fn packages_come_in_the_version_that_is_asked_for_and_go_with_what_they_brought() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = repository(device)?;
    let hello = |version: &str| {
        format!("{corp}  - packages: [tool]\n  - package: {{ name: hello, version: \"{version}\" }}\n")
    };

    apply(&fleet, "dnf", &hello("1.0"))?;
    assert_eq!(installed(device)?, "hello-1.0 kept-1 tool-1 tool-lib-1");
    let log = device.read_file("/var/log/dnf.log")?;
    let plan = device.exec(["muster-agent", "plan"])?;
    assert_eq!(plan.code, Some(0), "a second turn would change something: {}{}", plan.stdout, plan.stderr);
    assert_eq!(device.read_file("/var/log/dnf.log")?, log, "dnf was asked although nothing has changed");

    // Drift is noticed and repaired, and nothing else changes for it.
    device.exec(["rpm", "-e", "tool"])?.ok()?;
    wait_until("the package to be back", Duration::from_secs(60), || {
        Ok((installed(device)? == "hello-1.0 kept-1 tool-1 tool-lib-1").then_some(()))
    })?;

    // Upwards it goes, and not down again.
    apply(&fleet, "dnf", &hello(">= 1.1"))?;
    assert_eq!(installed(device)?, "hello-1.1 kept-1 tool-1 tool-lib-1");
    fleet.admin.save_profile("dnf", &format!("muster: 1\nprofile: dnf\nresources:\n{}", hello("= 1.0-1")))?;
    fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let blocked = wait_for(&fleet, "package:hello", |one| one.outcome == OutcomeKind::Blocked)?;
    assert!(reason(&blocked).contains("Muster never downgrades"), "{}", reason(&blocked));
    assert_eq!(installed(device)?, "hello-1.1 kept-1 tool-1 tool-lib-1");

    // Another profile needs one of them too, and an admin installs what needs what came along with it.
    let first = apply(&fleet, "dnf", &hello(">= 1.1"))?;
    let other = apply(&fleet, "other", "  - packages: [tool]\n")?;
    device.exec(["dnf", "-y", "install", "other"])?.ok()?;
    fleet.admin.unassign(&first)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(installed(device)?, "kept-1 other-1 tool-1 tool-lib-1");
    fleet.admin.unassign(&other)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(installed(device)?, "kept-1 other-1 tool-lib-1");
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
    let corp = repository(device)?;
    apply(
        &fleet,
        "dnf",
        &format!(
            "{corp}  - package: {{ name: Name_With.Dots, version: \"< 1.2\" }}\n  - packages: [other]\n"
        ),
    )?;
    assert_eq!(installed(device)?, "Name_With.Dots-1.2~rc1 kept-1 other-1 tool-lib-1");

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
        Ok((installed(device)? == "other-1 rival-1 tool-lib-1").then_some(()))
    })
    .with_context(|| format!("there is {:?}", installed(device)))
}

/// Has the repository tell that version 1.1 of `hello` is for security.
const FOR_SECURITY: &str = r#"
set -eu
cat >/tmp/updateinfo.xml <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<updates><update from="corp" status="final" type="security" version="1"><id>CORP-1</id><title>hello</title>
<issued date="2026-01-01 00:00:00"/><description>x</description><pkglist><collection short="c"><name>c</name>
<package name="hello" version="1.1" release="1" epoch="0" arch="noarch" src="hello-1.1-1.src.rpm"><filename>hello-1.1-1.noarch.rpm</filename></package>
</collection></pkglist></update></updates>
XML
modifyrepo_c --mdtype=updateinfo /tmp/updateinfo.xml /srv/rpms/repodata >/dev/null
dnf -q makecache --refresh
"#;

#[test]
fn updates_for_security_are_those_that_a_repository_says_are() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = repository(device)?;
    device.exec(["rpm", "-i", "/srv/rpms/noarch/hello-1.0-1.noarch.rpm"])?.ok()?;
    let updates = |which: &str, pinned: &str| format!("{corp}{pinned}  - updates: {{ which: {which} }}\n");
    let source = format!("muster: 1\nprofile: dnf\nresources:\n{}", updates("security", ""));
    fleet.admin.save_profile("dnf", &source)?;
    fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let failed = wait_for(&fleet, "updates:updates", |one| one.outcome == OutcomeKind::Failed)?;
    assert!(reason(&failed).contains("tells which updates are for security"), "{}", reason(&failed));

    device.exec(["sh", "-c", FOR_SECURITY])?.ok()?;
    device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
    wait_until("the update to be installed", Duration::from_secs(60), || {
        Ok((installed(device)? == "hello-1.1 kept-1").then_some(()))
    })?;
    let told = wait_for(&fleet, "updates:updates", |one| reason(one).contains("no update waits"))?;
    assert!(reason(&told).contains("newer but not asked for: 1"), "{}", reason(&told));

    // A package that has to have one version stays there, and goes where none is asked for.
    apply(&fleet, "dnf", &updates("all", "  - package: { name: kept, version: \"1\" }\n"))?;
    assert_eq!(installed(device)?, "hello-1.1 kept-1");
    let assignment = apply(&fleet, "dnf", &updates("all", ""))?;
    assert_eq!(installed(device)?, "hello-1.1 kept-2");
    let plan = device.exec(["muster-agent", "plan"])?;
    assert_eq!(plan.code, Some(0), "a second turn would change something: {}{}", plan.stdout, plan.stderr);
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(installed(device)?, "hello-1.1 kept-2");
    Ok(())
}

#[test]
fn a_transaction_that_was_cut_off_is_brought_to_its_end() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network)?;
    let device = fleet.device(DEVICE)?;
    let corp = repository(device)?;
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
        assert_eq!(installed(device)?, format!("kept-1 slow-{version}"));
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
    let corp = repository(device)?;
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
        assert_eq!(installed(device)?, "kept-1", "{}", reason(&told));
        Ok::<_, anyhow::Error>(())
    };
    failed("a version that no package can have")?;

    let ask_again = || device.exec(["systemctl", "restart", "muster-agent.service"])?.ok();
    device.exec(["sh", "-c", honest])?.ok()?;
    device.exec(["sh", "-c", LATE])?.ok()?;
    ask_again()?;
    failed("protected packages: kept")?;

    device.exec(["mv", "/usr/bin/dnf.own", "/usr/bin/dnf"])?.ok()?;
    device.exec(["sh", "-c", honest])?.ok()?;
    ask_again()?;
    wait_until("what is told honestly to be installed", Duration::from_secs(60), || {
        Ok((installed(device)? == "kept-1 other-1 tool-lib-1").then_some(()))
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
