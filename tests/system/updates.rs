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

/// Packages, at 1 on the device. A repository for security updates has 2 of two of them, another one has something newer of others, and
/// one that says of itself that it is for security updates is set aside by an admin. `old-data` could only be updated if it brought a
/// package along that conflicts with `held-tool`, and `needs-held` only with a newer `held-tool`. The two of `pair` take each other along.
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
for name in web-tool other-tool held-tool old-data needs-held pair-a pair-b; do make $name 1 /srv/installed; done
dpkg -i /srv/installed/*.deb >/dev/null
echo "of the device" >/etc/web-tool.conf
make web-tool 2 /srv/safe/pool
make held-tool 2 /srv/safe/pool
make web-tool 3 /srv/other/pool
make other-tool 2 /srv/other/pool
make new-data 1 /srv/other/pool "Conflicts: held-tool"
make old-data 2 /srv/other/pool "Depends: new-data"
make needs-held 2 /srv/other/pool "Depends: held-tool (>= 2)"
make pair-a 2 /srv/other/pool "Depends: pair-b (>= 2)"
make pair-b 2 /srv/other/pool "Breaks: pair-a (<< 2)"
make web-tool 9 /srv/early/pool
index safe corp-security
index other corp
index early early-security
printf 'Package: *\nPin: release n=early-security\nPin-Priority: -10\n' >/etc/apt/preferences.d/early
"#;

/// What there is of them once all was taken that may be.
const ALL: &str = "held-tool 1, needs-held 1, old-data 1, other-tool 2, pair-a 2, pair-b 2, web-tool 3";

/// A window of every day that begins so many hours from now and is open for three hours, in UTC, which is what a device is in.
fn window(begins_in: i64) -> String {
    let hour =
        |hours: i64| (Timestamp::from_system(SystemTime::now()).seconds() / 3600 + hours).rem_euclid(24);
    let (from, to) = (hour(begins_in), hour(begins_in + 3));
    format!(r#"windows: [{{ from: "{from:02}:00", to: "{to:02}:00" }}]"#)
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

/// The versions of the packages.
fn versions(device: &Device<'_>) -> Result<String> {
    let format = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n"];
    let names = ["web-tool", "other-tool", "held-tool", "old-data", "needs-held", "pair-a", "pair-b"];
    let argv = format.into_iter().chain(names);
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
    assert_eq!(
        versions(device)?,
        "held-tool 1, needs-held 1, old-data 1, other-tool 1, pair-a 1, pair-b 1, web-tool 1"
    );

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

    // A newer version that no repository for security updates has does not hide the one that one has, and is not taken. Nor is
    // one of a repository that an admin of the device set aside.
    apply(&fleet, &format!("which: security, {}", window(-1)))?;
    assert_eq!(
        versions(device)?,
        "held-tool 1, needs-held 1, old-data 1, other-tool 1, pair-a 1, pair-b 1, web-tool 2"
    );
    assert_eq!(device.read_file("/etc/web-tool.conf")?, "of the device\n");
    device.plans_nothing()?;

    // Of all, what a profile asks for in one version stays there, and what something else would have to go for is kept back.
    let assignment = apply(&fleet, "which: all")?;
    assert_eq!(versions(device)?, ALL);
    let told = wait_for(&fleet, |one| one.outcome == OutcomeKind::Kept && reason(one).contains("kept back"))?;
    for name in ["kept back: ", "old-data", "needs-held"] {
        assert!(reason(&told).contains(name), "{}", reason(&told));
    }
    device.plans_nothing()?;

    // What a package asks for by this file is told, and no device reboots by itself.
    device.write_file("/run/reboot-required", "*** System restart required ***\n", 0o644)?;
    device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
    let told = wait_for(&fleet, |one| reason(one).contains("a reboot is needed"))?;
    assert_eq!(told.outcome, OutcomeKind::Kept);

    // Nothing is taken back.
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(versions(device)?, ALL);
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

/// Has the postinst of `web-tool` tell that it began and wait for a word, each time anew.
const SLOW: &str = r#"
set -eu
tree=$(mktemp -d)
chmod 0755 "$tree"
mkdir -p "$tree/DEBIAN"
printf 'Package: web-tool\nVersion: %s\nArchitecture: all\nMaintainer: Corp <it@corp.example>\nDescription: x\n' "$1" >"$tree/DEBIAN/control"
cat >"$tree/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
echo begun >>/var/lib/web-tool.begun
while [ ! -e /var/lib/web-tool.go ]; do sleep 0.2; done
POSTINST
chmod 0755 "$tree/DEBIAN/postinst"
dpkg-deb --root-owner-group --build "$tree" "/srv/safe/pool/web-tool_$1_all.deb" >/dev/null
cd /srv/safe
apt-ftparchive packages pool >dists/corp-security/main/binary-amd64/Packages
apt-ftparchive -o APT::FTPArchive::Release::Suite=corp-security -o APT::FTPArchive::Release::Codename=corp-security \
    -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 release dists/corp-security >/tmp/Release
mv /tmp/Release dists/corp-security/Release
rm -f /var/lib/web-tool.go /var/lib/web-tool.begun
apt-get -q update
"#;

fn begun(device: &Device<'_>) -> Result<Option<usize>> {
    let log = device.exec(["cat", "/var/lib/web-tool.begun"])?;
    Ok(log.success().then(|| log.stdout.lines().count()))
}

fn status(device: &Device<'_>) -> Result<String> {
    let argv = ["dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "web-tool"];
    Ok(device.exec(argv)?.ok()?.stdout)
}

#[test]
fn what_a_crash_cut_off_comes_to_its_end_by_one_apt_and_waits_for_no_window() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[DEVICE])?;
    let soon = Duration::from_secs(60);
    {
        let device = fleet.device(DEVICE)?;
        device.exec(["sh", "-c", SET_UP])?.ok()?;
        device.exec(["sh", "-c", SLOW, "slow", "5"])?.ok()?;
        fleet.admin.save_profile(
            "patched",
            "muster: 1\nprofile: patched\nresources:\n  - updates: { which: security }\n",
        )?;
        fleet.admin.assign("patched", &format!("device:{DEVICE}"), Mode::Enforce)?;
        wait_until("the installation to be half-way", soon, || begun(device))?;

        // The agent is killed: its successor waits for the apt that there is.
        device.exec(["systemctl", "kill", "--signal=KILL", "muster-agent.service"])?.ok()?;
        let waits = "waiting for a command that was started before this agent";
        wait_until("the next agent", soon, || {
            Ok(device.journal("muster-agent").contains(waits).then_some(()))
        })?;
        let running = device.exec(["pgrep", "-c", "-x", "apt-get"])?.stdout;
        assert_eq!(running.trim(), "1", "{}", device.journal("muster-agent"));
        device.write_file("/var/lib/web-tool.go", "", 0o644)?;
        wait_until("the installation to end", soon, || Ok((status(device)? == "5 installed").then_some(())))?;
        wait_for(&fleet, |one| one.outcome == OutcomeKind::Kept && reason(one).contains("no update waits"))?;
        assert_eq!(begun(device)?, Some(1), "it was configured once");

        // The plug is pulled, and when the device is back its window is over.
        device.exec(["sh", "-c", SLOW, "slow", "6"])?.ok()?;
        device.exec(["systemctl", "restart", "muster-agent.service"])?.ok()?;
        wait_until("the next installation to be half-way", soon, || begun(device))?;
    }
    fleet.devices.get_mut(DEVICE).context(DEVICE)?.kill()?;
    let source = format!(
        "muster: 1\nprofile: patched\nresources:\n  - updates: {{ which: security, {} }}\n",
        window(8)
    );
    fleet.admin.save_profile("patched", &source)?;
    fleet.admin.assign("patched", &format!("device:{DEVICE}"), Mode::Enforce)?;
    fleet.devices.get_mut(DEVICE).context(DEVICE)?.start()?;
    let device = fleet.device(DEVICE)?;
    assert!(!status(device)?.ends_with(" installed"), "{}", status(device)?);
    device.write_file("/var/lib/web-tool.go", "", 0o644)?;
    wait_until("what was cut off to end", soon, || Ok((status(device)? == "6 installed").then_some(())))
        .with_context(|| device.journal("muster-agent"))?;
    wait_for(&fleet, |one| {
        one.revision == 2 && one.outcome == OutcomeKind::Kept && reason(one).contains("no update waits")
    })?;

    // One whose scripts fail each time waits for the next window and is told, and there others come all the same.
    device
        .exec(["sh", "-c", "printf '#!/bin/sh\\nexit 1\\n' >/var/lib/dpkg/info/web-tool.postinst"])?
        .ok()?;
    device
        .exec([
            "sed",
            "-i",
            "/^Package: web-tool$/,/^$/s/^Status: .*/Status: install ok half-configured/",
            "/var/lib/dpkg/status",
        ])?
        .ok()?;
    fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None)?;
    wait_for(&fleet, |one| {
        one.outcome == OutcomeKind::Kept && reason(one).contains("web-tool is half installed")
    })?;
    fleet
        .admin
        .save_profile("patched", "muster: 1\nprofile: patched\nresources:\n  - updates: { which: all }\n")?;
    fleet.admin.assign("patched", &format!("device:{DEVICE}"), Mode::Enforce)?;
    wait_for(&fleet, |one| {
        one.outcome == OutcomeKind::Failed && reason(one).contains("dpkg returned an error")
    })?;
    assert!(versions(device)?.contains("other-tool 2, "), "{}", versions(device)?);
    Ok(())
}

#[test]
fn a_broken_repository_does_not_keep_updates_of_others_away_and_is_told_of() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device.exec(["sh", "-c", SET_UP])?.ok()?;
    let broken = "deb [trusted=yes] file:/srv/gone corp main\n";
    device.write_file("/etc/apt/sources.list.d/gone.list", broken, 0o644)?;
    // Since long ago.
    device.write_file("/var/lib/muster/updates.json", r#"{"trouble":[1000000,"unknown"]}"#, 0o600)?;
    let source = "muster: 1\nprofile: patched\nresources:\n  - package: { name: hello }\n  - updates: { which: security }\n";
    fleet.admin.save_profile("patched", source)?;
    fleet.admin.assign("patched", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let told = wait_for(&fleet, |one| reason(one).contains("could not be fetched for days"))?;
    assert_eq!(told.outcome, OutcomeKind::Failed);
    assert!(reason(&told).contains("/srv/gone"), "{}", reason(&told));
    assert!(versions(device)?.contains("held-tool 2, "), "{}", versions(device)?);
    assert!(versions(device)?.contains("web-tool 2"), "{}", versions(device)?);
    // What was downloaded does not fill the disk.
    device.exec(["dpkg", "-s", "hello"])?.ok()?;
    assert_eq!(device.exec(["find", "/var/cache/apt/archives", "-name", "*.deb"])?.ok()?.stdout, "");
    // With the repository gone all is well again.
    device.exec(["rm", "/etc/apt/sources.list.d/gone.list"])?.ok()?;
    device.exec(["sed", "-i", r#"s/"tried":[0-9]*/"tried":1/"#, "/var/lib/muster/updates.json"])?.ok()?;
    fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None)?;
    wait_for(&fleet, |one| one.outcome == OutcomeKind::Kept)?;
    Ok(())
}

const ORDER: &str = "/run/systemd/shutdown/scheduled";

/// Has the moment that the device has drawn for its reboot be a minute ago.
fn bring_moment_about(device: &Device<'_>) -> Result<()> {
    let moment = Timestamp::from_system(SystemTime::now()).seconds() - 60;
    device.exec(["systemctl", "stop", "muster-agent.service"])?.ok()?;
    let memory = format!(r#"s/"reboot":{{"at":[0-9]*/"reboot":{{"at":{moment}/"#);
    device.exec(["sed", "-i", &memory, "/var/lib/muster/updates.json"])?.ok()?;
    device.exec(["systemctl", "start", "muster-agent.service"])?.ok()?;
    Ok(())
}

#[test]
fn a_device_reboots_for_its_updates_in_a_window_alone_and_not_twice() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[DEVICE])?;
    {
        let device = fleet.device(DEVICE)?;
        device.exec(["sh", "-c", SET_UP])?.ok()?;
        let required = "*** System restart required ***\n";
        device.write_file("/run/reboot-required", required, 0o644)?;
        // Outside of the window it is only told of.
        apply(&fleet, &format!("which: security, reboot: in_window, {}", window(8)))?;
        let told = wait_for(&fleet, |one| reason(one).contains("a reboot is needed"))?;
        assert!(!reason(&told).contains("by itself"), "{}", reason(&told));
        // In it the updates come first, then it is at a moment of its own.
        apply(&fleet, &format!("which: security, reboot: in_window, {}", window(-1)))?;
        assert!(versions(device)?.contains("web-tool 2"), "{}", versions(device)?);
        wait_for(&fleet, |one| reason(one).contains("it reboots by itself after"))?;
        assert!(!device.exec(["test", "-e", ORDER])?.success(), "it was ordered before its moment");
        bring_moment_about(device)?;
        let order = wait_until("the reboot to be ordered", Duration::from_secs(60), || {
            let order = device.exec(["cat", ORDER])?;
            Ok(order.success().then_some(order.stdout))
        })
        .with_context(|| device.journal("muster-agent"))?;
        assert!(
            order.contains("MODE=reboot") && order.contains("WALL_MESSAGE=This device reboots in 5 minutes"),
            "{order}"
        );
        let history = |part: &str| {
            wait_until(&format!("the server to hear of it: {part}"), Duration::from_secs(120), || {
                let history = fleet.admin.request("GET", &format!("/devices/{DEVICE}/history"), None)?;
                Ok(history.body.contains(part).then_some(()))
            })
        };
        history("due: a reboot is needed: a package asks for it").with_context(|| {
            format!("{:?}\n{}", fleet.admin.resources(DEVICE), device.journal("muster-agent"))
        })?;
        // Nothing long begins while it is about to go down.
        let source = "muster: 1\nprofile: more\nresources:\n  - package: { name: hello }\n";
        fleet.admin.save_profile("more", source)?;
        fleet.admin.assign("more", &format!("device:{DEVICE}"), Mode::Enforce)?;
        wait_until("the package to wait", Duration::from_secs(60), || {
            let all = fleet.admin.resources(DEVICE)?;
            let package = all.into_iter().find(|one| one.resource.as_str() == "package:hello");
            Ok(package.filter(|one| reason(one).contains("about to shut down or to reboot")))
        })?;
        // The five minutes pass.
        let soon = (Timestamp::from_system(SystemTime::now()).seconds() + 3) * 1_000_000;
        let argv = [
            "busctl",
            "call",
            "org.freedesktop.login1",
            "/org/freedesktop/login1",
            "org.freedesktop.login1.Manager",
        ];
        device.exec(argv.into_iter().chain(["ScheduleShutdown", "st", "reboot", &soon.to_string()]))?.ok()?;
    }
    fleet.devices.get_mut(DEVICE).context(DEVICE)?.wait_until_rebooted(Duration::from_secs(90))?;
    fleet.wait_until_connected(DEVICE)?;
    let device = fleet.device(DEVICE)?;
    wait_until("the server to hear that it is back", Duration::from_secs(60), || {
        let history = fleet.admin.request("GET", &format!("/devices/{DEVICE}/history"), None)?;
        Ok(history.body.contains("the device is back: kernel ").then_some(()))
    })?;
    wait_until("the package to come", Duration::from_secs(60), || {
        Ok(device.exec(["dpkg", "-s", "hello"])?.success().then_some(()))
    })?;
    // What asks for one again does not get it on the same day.
    device.write_file("/run/reboot-required", "*** System restart required ***\n", 0o644)?;
    bring_moment_about(device)?;
    wait_for(&fleet, |one| reason(one).contains("that did not help or is no day ago"))?;
    assert!(!device.exec(["test", "-e", ORDER])?.success());
    Ok(())
}

/// Has the device order its reboot, once it has drawn a moment for it.
fn wait_for_order(fleet: &Fleet<'_>, device: &Device<'_>) -> Result<()> {
    wait_for(fleet, |one| reason(one).contains("it reboots by itself after"))?;
    bring_moment_about(device)?;
    let ordered = || Ok(device.exec(["test", "-e", ORDER])?.success().then_some(()));
    wait_until("the reboot to be ordered", Duration::from_secs(60), ordered)
        .with_context(|| device.journal("muster-agent"))
}

fn wait_until_called_off(device: &Device<'_>) -> Result<()> {
    let gone = || Ok((!device.exec(["test", "-e", ORDER])?.success()).then_some(()));
    wait_until("the reboot to be called off", Duration::from_secs(60), gone)
        .with_context(|| device.journal("muster-agent"))
}

#[test]
fn a_reboot_that_nobody_wants_any_more_is_called_off_and_that_of_somebody_else_is_not() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device.exec(["sh", "-c", SET_UP])?.ok()?;
    device.write_file("/run/reboot-required", "*** System restart required ***\n", 0o644)?;
    let in_window = format!("which: all, reboot: in_window, {}", window(-1));
    apply(&fleet, &in_window)?;

    // Its owner pauses: nothing happens to the device until that is over.
    wait_for_order(&fleet, device)?;
    device.exec(["muster-agent", "pause", "--for", "1h", "--reason", "a talk"])?.ok()?;
    wait_until_called_off(device)?;
    device.exec(["muster-agent", "resume"])?.ok()?;

    // An admin takes it back.
    wait_for_order(&fleet, device)?;
    apply(&fleet, &format!("which: all, {}", window(-1)))?;
    wait_until_called_off(device)?;
    apply(&fleet, &in_window)?;
    wait_for_order(&fleet, device)?;
    // Its window is over, as when it wakes.
    apply(&fleet, &format!("which: all, reboot: in_window, {}", window(8)))?;
    wait_until_called_off(device)?;

    // It falls asleep, of which the agent does not hear in time.
    apply(&fleet, &in_window)?;
    wait_for_order(&fleet, device)?;
    device.exec(["systemctl", "stop", "muster-agent.service"])?.ok()?;
    let enabled = device.exec(["systemctl", "is-enabled", "muster-sleep.service"])?;
    assert_eq!(enabled.line(), "enabled");
    device.exec(["systemctl", "start", "muster-sleep.service"])?.ok()?;
    assert!(!device.exec(["test", "-e", ORDER])?.success());
    device.exec(["systemctl", "start", "muster-agent.service"])?.ok()?;
    wait_for(&fleet, |one| reason(one).contains("was called off"))?;
    device.exec(["shutdown", "-r", "+60", "A new disk comes"])?.ok()?;
    device.exec(["systemctl", "start", "muster-sleep.service"])?.ok()?;
    apply(&fleet, &format!("which: all, {}", window(-1)))?;
    assert!(device.exec(["grep", "-q", "A new disk comes", ORDER])?.success());
    device.exec(["shutdown", "-c"])?.ok()?;
    Ok(())
}
