//! Devices that are kept as they are, brought back, and installed anew, with real agents.

use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::rest::{Compliance, DeviceDetail, DeviceState};
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const SOON: Duration = Duration::from_secs(30);
const MOTD: &str = "/etc/motd";

fn save(fleet: &Fleet<'_>, text: &str) -> Result<()> {
    let source = format!(
        "muster: 1\nprofile: motd\nresources:\n  - file: {{ path: {MOTD}, content: \"{text}\\n\", mode: \"0644\" }}\n"
    );
    fleet.admin.save_profile("motd", &source)?;
    fleet.admin.assign("motd", "everyone", Mode::Enforce)?;
    Ok(())
}

fn detail(fleet: &Fleet<'_>, device: &str) -> Result<DeviceDetail> {
    fleet.admin.get(&format!("/devices/{device}"))
}

fn wait_until_motd(device: &Device<'_>, text: &str) -> Result<()> {
    wait_until(&format!("the message {text:?}"), SOON, || {
        Ok(device.read_file(MOTD).is_ok_and(|found| found == format!("{text}\n")).then_some(()))
    })
}

#[test]
fn a_paused_device_keeps_its_state_while_others_go_on_and_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1", "srv-2"])?;
    fleet.log_in()?;
    let (paused, free) = (fleet.device("srv-1")?, fleet.device("srv-2")?);
    save(&fleet, "one")?;
    fleet.admin.wait_until_applied("srv-1")?;
    fleet.server.muster(["pause", "device:srv-1", "--reason", "a test"])?.ok()?;
    save(&fleet, "two")?;
    wait_until_motd(free, "two")?;
    assert_eq!(paused.read_file(MOTD)?, "one\n");
    paused.write_file(MOTD, "theirs\n", 0o644)?;
    wait_until_motd(paused, "one").context("what it has is still kept so")?;

    fleet.server.muster(["rollback", "motd", "--yes"])?.ok()?;
    wait_until_motd(free, "one")?;
    let waiting = detail(&fleet, "srv-1")?.paused.context("it is paused")?.waiting;
    assert_eq!(waiting, ["motd@1 is assigned anew"], "as it was before the pause");
    fleet.server.muster(["resume", "device:srv-1"])?.ok()?;
    fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!(paused.read_file(MOTD)?, "one\n");
    Ok(())
}

#[test]
fn a_lease_ends_on_a_paused_device() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    let end = Timestamp::from_system(std::time::SystemTime::now()).plus_seconds(20);
    let source = format!(
        "muster: 1\nprofile: visit\nresources:\n  - file: {{ path: /etc/visit, content: x, not_after: \"{end}\" }}\n"
    );
    fleet.admin.save_profile("visit", &source)?;
    fleet.admin.assign("visit", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    fleet.server.muster(["pause", "--yes"])?.ok()?;
    assert!(device.path("/etc/visit").exists());
    wait_until("the lease to end", Duration::from_secs(60), || {
        Ok((!device.path("/etc/visit").exists()).then_some(()))
    })
}

#[test]
fn a_lease_ends_although_a_script_takes_long_to_say_whether_it_is_due() -> Result<()> {
    const ASKED: &str = "/usr/local/sbin/is-done";
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    device.write_file(ASKED, "#!/bin/sh\nwhile test -e /run/not-yet; do sleep 1; done\n", 0o755)?;
    let end = Timestamp::from_system(std::time::SystemTime::now()).plus_seconds(30);
    let source = format!(
        "muster: 1\nprofile: visit\nresources:\n  - file: {{ path: /etc/visit, content: x, not_after: \"{end}\" }}\n  \
         - script: {{ name: slow, body: \"true\\n\", unless: [{ASKED}] }}\n"
    );
    fleet.admin.save_profile("visit", &source)?;
    fleet.admin.assign("visit", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    device.write_file("/run/not-yet", "", 0o644)?;
    fleet.server.muster(["device", "apply-now", "srv-1"])?.ok()?;
    let asked = || device.exec(["pgrep", "-o", "-f", ASKED]).and_then(|found| found.ok());
    let first = wait_until("the script to be asked", SOON, || Ok(asked().ok()))?;
    assert!(device.path("/etc/visit").exists(), "the lease has not ended yet");
    wait_until("the lease to end", Duration::from_secs(55), || {
        Ok((!device.path("/etc/visit").exists()).then_some(()))
    })?;
    assert_eq!(asked()?.stdout, first.stdout, "the same question is still open");
    Ok(())
}

#[test]
fn a_reinstalled_device_comes_back_as_itself() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    save(&fleet, "one")?;
    let before = fleet.admin.wait_until_applied("srv-1")?.device;

    device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    device.exec(["rm", "-rf", "/var/lib/muster", MOTD])?.ok()?;
    fleet.server.muster(["device", "allow-reenroll", "srv-1", "--for", "1h"])?.ok()?;
    device.write_file("/etc/muster/join.toml", fleet.admin.join_file("S-srv-1")?, 0o600)?;
    device.exec(["systemctl", "start", "muster-agent"])?.ok()?;
    wait_until_motd(device, "one").with_context(|| device.journal("muster-agent"))?;
    let after = fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!((after.device.id, after.device.state), (before.id, DeviceState::Ready));
    assert_eq!(after.reenroll_until, None, "it lets one key in");
    Ok(())
}

/// Enrolls a device anew over the identity and the record that it has.
fn enroll_over(fleet: &Fleet<'_>, device: &Device<'_>, serial: &str) -> Result<()> {
    device.write_file("/root/join.toml", fleet.admin.join_file(serial)?, 0o600)?;
    device.exec(["muster-agent", "enroll", "--join-file", "/root/join.toml"])?.ok()?;
    Ok(())
}

#[test]
fn a_device_that_enrolls_anew_with_its_old_record_says_all_of_it_again() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    let source = format!(
        "muster: 1\nprofile: motd\nresources:\n  - file: {{ path: {MOTD}, content: \"one\\n\" }}\nchecks:\n  - id: one-root\n    title: Only root is root\n    violations: SELECT username FROM users WHERE uid = 0 AND username <> 'root'\n    severity: high\n"
    );
    fleet.admin.save_profile("motd", &source)?;
    fleet.admin.assign("motd", "everyone", Mode::Enforce)?;
    device.exec(["useradd", "-o", "-u", "0", "evil"])?.ok()?;
    let stands = || -> Result<Compliance> { Ok(detail(&fleet, "srv-1")?.device.compliance) };
    let fails = || {
        wait_until("the device to fail", SOON, || {
            Ok((stands()? == Compliance::Failing && !fleet.admin.resources("srv-1")?.is_empty())
                .then_some(()))
        })
    };
    fleet.admin.wait_until_applied("srv-1")?;
    fleet.server.muster(["device", "apply-now", "srv-1"])?.ok()?;
    fails()?;
    fleet.server.muster(["device", "revoke", "srv-1", "--yes"])?.ok()?;
    fleet.server.muster(["device", "allow-reenroll", "srv-1"])?.ok()?;
    enroll_over(&fleet, device, "S-srv-1")?;
    wait_until("the device to be judged", SOON, || {
        let stands = stands()?;
        assert_ne!(stands, Compliance::Compliant, "of what was never said again");
        Ok((stands == Compliance::Failing).then_some(()))
    })?;
    fails()
}

#[test]
fn a_device_that_was_forgotten_and_enrolls_anew_obeys_its_new_record_and_loses_what_the_old_one_gave()
-> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    save(&fleet, "one")?;
    fleet.admin.save_profile(
        "extra",
        "muster: 1\nprofile: extra\nresources:\n  - file: { path: /etc/extra, content: x }\n",
    )?;
    fleet.admin.assign("extra", "device:srv-1", Mode::Enforce)?;
    save(&fleet, "two")?;
    wait_until_motd(device, "two")?;
    let before = fleet.admin.wait_until_applied("srv-1")?.device;
    assert!(device.path("/etc/extra").exists());

    fleet.server.muster(["device", "revoke", "srv-1", "--yes"])?.ok()?;
    fleet.server.muster(["device", "delete", "srv-1", "--yes"])?.ok()?;
    fleet.admin.import("serial,name,owner,labels\nS-srv-1,srv-1,,\n")?;
    enroll_over(&fleet, device, "S-srv-1")?;
    let after = fleet.admin.wait_until_applied("srv-1")?.device;
    assert_ne!(after.id, before.id);
    assert!(!device.path("/etc/extra").exists(), "nobody gave it that");
    save(&fleet, "three")?;
    wait_until_motd(device, "three").with_context(|| device.journal("muster-agent"))
}
