//! Newer versions of what is installed, on a real device with dnf: which are taken, when, and when the device reboots for them.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::ResourceView;
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";
const SOON: Duration = Duration::from_secs(90);
const ORDER: &str = "/run/systemd/shutdown/scheduled";

/// Has the repository tell that version 1.1 of `hello` and the newer kernel are for security.
const FOR_SECURITY: &str = r#"
set -eu
package() {
    echo "<package name=\"$1\" version=\"$2\" release=\"1\" epoch=\"0\" arch=\"noarch\" src=\"$1-$2-1.src.rpm\"><filename>$1-$2-1.noarch.rpm</filename></package>"
}
cat >/tmp/updateinfo.xml <<XML
<?xml version="1.0" encoding="UTF-8"?>
<updates><update from="corp" status="final" type="security" version="1"><id>CORP-1</id><title>hello</title>
<issued date="2026-01-01 00:00:00"/><description>x</description><pkglist><collection short="c"><name>c</name>
$(package hello 1.1)
$(package kernel-core 6.9.0)
</collection></pkglist></update></updates>
XML
modifyrepo_c --mdtype=updateinfo /tmp/updateinfo.xml /srv/rpms/repodata >/dev/null
dnf -q makecache --refresh
"#;

/// A window of every day that begins so many hours from now and is open for three hours, in UTC.
fn window(begins_in: i64) -> String {
    let hour =
        |hours: i64| (Timestamp::from_system(SystemTime::now()).seconds() / 3600 + hours).rem_euclid(24);
    let (from, to) = (hour(begins_in), hour(begins_in + 3));
    format!(r#"zone: Etc/UTC, windows: [{{ from: "{from:02}:00", to: "{to:02}:00" }}]"#)
}

/// Has the device assigned these updates, after these resources; the assignment.
fn assign(fleet: &Fleet<'_>, before: &str, updates: &str) -> Result<String> {
    let corp = fleet.device(DEVICE)?.rpm_repository()?;
    let source = format!("muster: 1\nprofile: dnf\nresources:\n{corp}{before}  - updates: {{ {updates} }}\n");
    fleet.admin.save_profile("dnf", &source)?;
    Ok(fleet.admin.assign("dnf", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
}

fn apply(fleet: &Fleet<'_>, before: &str, updates: &str) -> Result<String> {
    let assignment = assign(fleet, before, updates)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    Ok(assignment)
}

/// What is told of the updates, once `is_so`.
fn wait_for(fleet: &Fleet<'_>, is_so: impl Fn(&ResourceView) -> bool) -> Result<String> {
    let found = || -> Result<Option<ResourceView>> {
        Ok(fleet.admin.resources(DEVICE)?.into_iter().find(|one| one.resource.as_str() == "updates:updates"))
    };
    let waited = wait_until("the updates to be told of", SOON, || Ok(found()?.filter(&is_so)));
    Ok(reason(&waited.with_context(|| format!("told is {:?}", found()))?).to_owned())
}

fn reason(view: &ResourceView) -> &str {
    view.reason.as_deref().unwrap_or_default()
}

fn install(device: &Device<'_>, names: &[&str]) -> Result<()> {
    for name in names {
        device.exec(["rpm", "-i", &format!("/srv/rpms/noarch/{name}-1.noarch.rpm")])?.ok()?;
    }
    Ok(())
}

#[test]
fn updates_for_security_are_those_that_a_repository_says_are_and_come_in_their_window() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll_with_dnf(&network, DEVICE)?;
    let device = fleet.device(DEVICE)?;
    install(device, &["hello-1.0"])?;
    assign(&fleet, "", &format!("which: security, {}", window(8)))?;
    let failed = wait_for(&fleet, |one| one.outcome == OutcomeKind::Failed)?;
    assert!(failed.contains("tells which updates are for security"), "{failed}");

    // Outside of the window all waits and is told.
    device.exec(["sh", "-c", FOR_SECURITY])?.ok()?;
    apply(&fleet, "", &format!("which: security, {}", window(8)))?;
    let told = wait_for(&fleet, |one| one.outcome == OutcomeKind::Kept)?;
    assert!(told.contains("waiting: 1, 1 for security: hello 1.0-1 -> 1.1-1; "), "{told}");
    assert_eq!(device.rpms()?, "hello-1.0 kept-1");
    device.plans_nothing()?;

    apply(&fleet, "", &format!("which: security, {}", window(-1)))?;
    assert_eq!(device.rpms()?, "hello-1.1 kept-1");
    let told = wait_for(&fleet, |one| reason(one).contains("no update waits"))?;
    assert!(told.contains("newer but not asked for: 1"), "{told}");

    // A package that has to have one version stays there, and goes where none is asked for.
    apply(&fleet, "  - package: { name: kept, version: \"1\" }\n", "which: all")?;
    assert_eq!(device.rpms()?, "hello-1.1 kept-1");
    let assignment = apply(&fleet, "", "which: all")?;
    assert_eq!(device.rpms()?, "hello-1.1 kept-2");
    device.plans_nothing()?;
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.rpms()?, "hello-1.1 kept-2");
    Ok(())
}

/// Has the device run the older kernel, as far as anything there can see, until it boots again.
const OLDER_KERNEL: &str = "systemctl stop muster-agent && echo 6.8.0-1.x86_64 >/run/osrelease \
    && mount --bind /run/osrelease /proc/sys/kernel/osrelease && systemctl start muster-agent";

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
fn a_newer_kernel_comes_beside_the_one_that_runs_and_the_device_reboots_into_it_in_its_window() -> Result<()>
{
    let network = Network::create()?;
    let mut fleet = Fleet::enroll_with_dnf(&network, DEVICE)?;
    {
        let device = fleet.device(DEVICE)?;
        device.exec(["sh", "-c", FOR_SECURITY])?.ok()?;
        install(device, &["kernel-core-6.8.0"])?;
        device.exec(["sh", "-c", OLDER_KERNEL])?.ok()?;
        fleet.wait_until_connected(DEVICE)?;
        apply(&fleet, "", &format!("which: security, {}", window(-1)))?;
        assert_eq!(device.rpms()?, "kept-1 kernel-core-6.8.0 kernel-core-6.9.0");
        let told = wait_for(&fleet, |one| reason(one).contains("a reboot is needed"))?;
        assert!(told.contains("kernel 6.9.0-1.x86_64 is installed and 6.8.0-1.x86_64 runs"), "{told}");
        assert!(!told.contains("by itself"), "{told}");

        apply(&fleet, "", &format!("which: security, reboot: in_window, {}", window(8)))?;
        let told = wait_for(&fleet, |one| reason(one).contains("a reboot is needed"))?;
        assert!(!told.contains("by itself"), "{told}");
        apply(&fleet, "", &format!("which: security, reboot: in_window, {}", window(-1)))?;
        wait_for(&fleet, |one| reason(one).contains("it reboots by itself after"))?;
        assert!(!device.exec(["test", "-e", ORDER])?.success(), "it was ordered before its moment");
        bring_moment_about(device)?;
        wait_until("the reboot to be ordered", SOON, || {
            Ok(device.exec(["test", "-e", ORDER])?.success().then_some(()))
        })
        .with_context(|| device.journal("muster-agent"))?;
        // The five minutes pass.
        let soon = (Timestamp::from_system(SystemTime::now()).seconds() + 3) * 1_000_000;
        let logind = ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"];
        let call = ["ScheduleShutdown", "st", "reboot", &soon.to_string()];
        device.exec([&["busctl", "call"][..], &logind, &call].concat())?.ok()?;
    }
    fleet.devices.get_mut(DEVICE).context(DEVICE)?.wait_until_rebooted(SOON)?;
    fleet.wait_until_connected(DEVICE)?;
    // What runs is what is said, and a kernel that no package brought asks for no reboot.
    let runs = fleet.device(DEVICE)?.exec(["uname", "-r"])?.line().to_owned();
    let told = wait_for(&fleet, |one| reason(one).contains(&format!("kernel {runs} runs")))?;
    assert!(!told.contains("a reboot is needed"), "{told}");
    wait_until("the server to hear that it is back", SOON, || {
        let history = fleet.admin.request("GET", &format!("/devices/{DEVICE}/history"), None)?;
        Ok(history.body.contains(&format!("the device is back: kernel {runs} runs")).then_some(()))
    })
}
