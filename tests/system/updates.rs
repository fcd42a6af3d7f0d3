//! Newer versions of what is installed, on a real device with apt: which are taken, when, and what is told of the others.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::ResourceView;
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";
const UPDATES: &str = "updates:updates";

/// Four packages, at 1 on the device. A repository for security updates has 2 of two of them, another one has something newer of three.
/// `old-data` could only be updated if it brought a package along that conflicts with `held-tool`.
const SET_UP: &str = r#"
set -eu
make() {
    tree=$(mktemp -d)
    chmod 0755 "$tree"
    mkdir -p "$tree/DEBIAN" "$3"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Corp <it@corp.example>\nDescription: x\n' "$1" "$2" >"$tree/DEBIAN/control"
    [ -z "${4:-}" ] || printf '%s\n' "$4" >>"$tree/DEBIAN/control"
    if [ "$1" = web-tool ]; then
        mkdir -p "$tree/etc"
        echo "of version $2" >"$tree/etc/web-tool.conf"
        echo /etc/web-tool.conf >"$tree/DEBIAN/conffiles"
    fi
    dpkg-deb --root-owner-group --build "$tree" "$3/$1_$2_all.deb" >/dev/null
}
index() {
    cd "/srv/$1"
    mkdir -p "dists/$2/main/binary-amd64"
    apt-ftparchive packages pool >"dists/$2/main/binary-amd64/Packages"
    apt-ftparchive -o "APT::FTPArchive::Release::Suite=$2" -o "APT::FTPArchive::Release::Codename=$2" \
        -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 \
        release "dists/$2" >/tmp/Release
    mv /tmp/Release "dists/$2/Release"
    echo "deb [trusted=yes] file:/srv/$1 $2 main" >"/etc/apt/sources.list.d/$1.list"
}
for name in web-tool other-tool held-tool old-data; do make $name 1 /srv/installed; done
dpkg -i /srv/installed/*.deb >/dev/null
echo "of the device" >/etc/web-tool.conf
make web-tool 2 /srv/safe/pool
make held-tool 2 /srv/safe/pool
make web-tool 3 /srv/other/pool
make other-tool 2 /srv/other/pool
make new-data 1 /srv/other/pool "Conflicts: held-tool"
make old-data 2 /srv/other/pool "Depends: new-data"
index safe corp-security
index other corp
"#;

/// A window of every day that begins so many hours from now and is open for three hours, in UTC.
fn window(begins_in: i64) -> String {
    let hour =
        |hours: i64| (Timestamp::from_system(SystemTime::now()).seconds() / 3600 + hours).rem_euclid(24);
    let (from, to) = (hour(begins_in), hour(begins_in + 3));
    format!(r#"zone: Etc/UTC, windows: [{{ from: "{from:02}:00", to: "{to:02}:00" }}]"#)
}

/// Has the device converge to one version of `held-tool` and these updates; the assignment.
fn apply(fleet: &Fleet<'_>, updates: &str) -> Result<String> {
    let source = format!(
        "muster: 1\nprofile: patched\nresources:\n  - package: {{ name: held-tool, version: \"1\" }}\n  - updates: {{ {updates} }}\n"
    );
    fleet.admin.save_profile("patched", &source)?;
    let assignment = fleet.admin.assign("patched", &format!("device:{DEVICE}"), Mode::Enforce)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    Ok(assignment.id)
}

/// What the server knows of the updates, once `is_so`.
fn wait_for(fleet: &Fleet<'_>, is_so: impl Fn(&ResourceView) -> bool) -> Result<ResourceView> {
    let found = || {
        let all = fleet.admin.resources(DEVICE)?;
        Ok::<_, anyhow::Error>(all.into_iter().find(|one| one.resource.as_str() == UPDATES))
    };
    let waited = wait_until("the updates to be told of", Duration::from_secs(60), || {
        Ok(found()?.filter(|one| is_so(one)))
    });
    waited.with_context(|| format!("told is {:?}", found()))
}

/// The versions of the four packages.
fn versions(device: &Device<'_>) -> Result<String> {
    let argv = [
        "dpkg-query",
        "-W",
        "-f",
        "${Package} ${Version}\n",
        "web-tool",
        "other-tool",
        "held-tool",
        "old-data",
    ];
    let mut lines: Vec<String> = device.exec(argv)?.ok()?.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines.join(", "))
}

fn reason(view: &ResourceView) -> &str {
    view.reason.as_deref().unwrap_or_default()
}

#[test]
fn only_wanted_updates_come_and_only_in_their_window() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device.exec(["sh", "-c", SET_UP])?.ok()?;

    // Outside of the window all waits and is told.
    apply(&fleet, &format!("which: security, {}", window(8)))?;
    let waiting = wait_for(&fleet, |one| one.outcome == OutcomeKind::Kept)?;
    assert!(
        reason(&waiting).contains("waiting: 1, 1 for security: web-tool 1 -> 2; "),
        "{}",
        reason(&waiting)
    );
    let kernel = device.exec(["uname", "-r"])?.line().to_owned();
    assert!(reason(&waiting).contains(&format!("kernel {kernel} runs")), "{}", reason(&waiting));
    assert_eq!(versions(device)?, "held-tool 1, old-data 1, other-tool 1, web-tool 1");

    // What three windows went by for is not in order.
    let long_ago = Timestamp::from_system(SystemTime::now()).seconds() - 30 * 24 * 60 * 60;
    let memory = format!(r#"s/"waiting":{{"web-tool":[0-9]*}}/"waiting":{{"web-tool":{long_ago}}}/"#);
    device.exec(["sed", "-i", &memory, "/var/lib/muster/updates.json"])?.ok()?;
    device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
    let late = wait_for(&fleet, |one| one.outcome == OutcomeKind::Drifted)?;
    assert!(
        reason(&late).contains("30 windows have gone by") || reason(&late).contains("29 windows"),
        "{}",
        reason(&late)
    );

    // A newer version that no repository for security updates has does not hide the one that one has, and is not taken.
    apply(&fleet, &format!("which: security, {}", window(-1)))?;
    assert_eq!(versions(device)?, "held-tool 1, old-data 1, other-tool 1, web-tool 2");
    assert_eq!(device.read_file("/etc/web-tool.conf")?, "of the device\n");
    let plan = device.exec(["muster-agent", "plan"])?;
    assert_eq!(plan.code, Some(0), "a second turn would change something: {}{}", plan.stdout, plan.stderr);

    // Of all, what a profile asks for in one version stays there, and what something else would have to go for is kept back.
    let assignment = apply(&fleet, "which: all")?;
    assert_eq!(versions(device)?, "held-tool 1, old-data 1, other-tool 2, web-tool 3");
    let told = wait_for(&fleet, |one| reason(one).contains("kept back"))?;
    assert_eq!(told.outcome, OutcomeKind::Kept);
    assert!(reason(&told).contains("kept back: ") && reason(&told).contains("old-data"), "{}", reason(&told));
    let plan = device.exec(["muster-agent", "plan"])?;
    assert_eq!(plan.code, Some(0), "a second turn would change something: {}{}", plan.stdout, plan.stderr);

    // What a package asks for by this file is told, and no device reboots by itself.
    device.write_file("/run/reboot-required", "*** System restart required ***\n", 0o644)?;
    device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
    let told = wait_for(&fleet, |one| reason(one).contains("a reboot is needed"))?;
    assert_eq!(told.outcome, OutcomeKind::Kept);

    // Nothing is taken back.
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(versions(device)?, "held-tool 1, old-data 1, other-tool 2, web-tool 3");
    Ok(())
}

#[test]
fn a_device_without_a_repository_for_security_updates_is_not_silently_fine() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let source = "muster: 1\nprofile: patched\nresources:\n  - updates: { which: security }\n";
    fleet.admin.save_profile("patched", source)?;
    fleet.admin.assign("patched", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let failed = wait_for(&fleet, |one| one.outcome == OutcomeKind::Failed)?;
    assert!(
        reason(&failed).contains("no repository of this device is for security updates"),
        "{}",
        reason(&failed)
    );
    Ok(())
}
