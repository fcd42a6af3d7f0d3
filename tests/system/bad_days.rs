//! The bad days of a device, on real ones: lost, back after its certificate ended, and two machines under one identity.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{AllowReenroll, AuditEntry, Device as DeviceView, DeviceDetail, DeviceState, Page};
use muster_proto::state::Mode;
use muster_tests::{Admin, Device, Fleet, Network, wait_until};

const SOON: Duration = Duration::from_secs(60);
const IDENTITY: &str = "/var/lib/muster/identity/identity.pem";
const PEOPLE: &str = "muster: 1\nprofile: people\nresources:\n  - account: { name: ada, full_name: Ada }\n";

fn detail(fleet: &Fleet<'_>, device: &str) -> Result<DeviceDetail> {
    fleet.admin.get(&format!("/devices/{device}"))
}

fn wait_for(fleet: &Fleet<'_>, device: &str, state: DeviceState) -> Result<DeviceDetail> {
    let found = wait_until(&format!("{device} to be {state:?}"), SOON, || {
        let detail = detail(fleet, device)?;
        Ok((detail.device.state == state).then_some(detail))
    });
    found.with_context(|| format!("{:?}\nthe server said: {}", detail(fleet, device), fleet.server.log()))
}

fn journal(fleet: &Fleet<'_>, device: &str) -> String {
    fleet.device(device).map(|device| device.journal("muster-agent")).unwrap_or_default()
}

/// What the admin reads at the command line.
fn says<const N: usize>(fleet: &Fleet<'_>, argv: [&str; N]) -> Result<String> {
    Ok(fleet.server.muster(argv)?.ok()?.stdout)
}

fn audited(fleet: &Fleet<'_>, action: &str) -> Result<Vec<AuditEntry>> {
    let said = says(fleet, ["audit", "-o", "json", "--limit", "1000"])?;
    let entries: Vec<AuditEntry> = serde_json::from_str(&said).context("reading the audit")?;
    Ok(entries.into_iter().filter(|entry| entry.action == action).collect())
}

/// Gives every device the account of ada.
fn with_people(fleet: &Fleet<'_>, devices: &[&str]) -> Result<()> {
    fleet.admin.save_profile("people", PEOPLE)?;
    fleet.admin.assign("people", "everyone", Mode::Enforce)?;
    for device in devices {
        fleet.admin.wait_until_applied(device)?;
    }
    Ok(())
}

/// Whether neither password nor key lets ada in. Readable also while the device is off.
fn ada_is_locked(device: &Device<'_>) -> Result<bool> {
    let shadow = device.read_file("/etc/shadow")?;
    let line = shadow.lines().find(|line| line.starts_with("ada:")).context("there is no ada")?;
    let fields: Vec<&str> = line.split(':').collect();
    Ok(fields[1].starts_with('!') && fields[7] == "1")
}

/// The agent forgets who the device is and enrolls it with a new key.
fn enroll_anew(fleet: &Fleet<'_>, device: &Device<'_>, serial: &str) -> Result<()> {
    device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    device.exec(["rm", "-rf", "/var/lib/muster"])?.ok()?;
    device.write_file("/etc/muster/agent.toml", format!("serial = \"{serial}\"\n"), 0o644)?;
    device.write_file("/etc/muster/join.toml", fleet.admin.join_file(serial)?, 0o600)?;
    device.exec(["systemctl", "start", "muster-agent"])?.ok()?;
    Ok(())
}

fn device<'a, 'n>(fleet: &'a mut Fleet<'n>, name: &str) -> Result<&'a mut Device<'n>> {
    fleet.devices.get_mut(name).with_context(|| format!("{name} is not one of the devices"))
}

#[test]
fn a_lost_device_locks_its_accounts_says_so_and_powers_off_and_comes_back_only_by_an_admins_leave()
-> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["lap-1"])?;
    fleet.log_in()?;
    with_people(&fleet, &["lap-1"])?;
    let lost = fleet.device("lap-1")?;
    lost.write_file("/home/ada/letter", "hers", 0o600)?;
    lost.exec(["systemd-run", "--uid=ada", "--unit=hers", "sleep", "1000"])?.ok()?;
    let unconfirmed = fleet.server.muster(["device", "lost", "lap-1"])?;
    assert!(!unconfirmed.success() && unconfirmed.stderr.contains("--yes"), "{}", unconfirmed.stderr);

    let said = says(&fleet, ["device", "lost", "lap-1", "--reason", "left in a train", "--yes"])?;
    assert!(said.contains("lap-1 is reported lost: it gets its last order now"), "{said}");
    assert!(said.contains("it held accounts: ada"), "{said}");
    device(&mut fleet, "lap-1")?.wait_until_off(SOON)?;
    let shown = wait_for(&fleet, "lap-1", DeviceState::Lost)?.lost.context("it is lost")?;
    assert_eq!(shown.receipt.context("its receipt is there")?.locked, ["ada"]);
    let lost = fleet.device("lap-1")?;
    assert!(ada_is_locked(lost)?, "{}", lost.read_file("/etc/shadow")?);
    assert_eq!(lost.read_file("/home/ada/letter")?, "hers", "nothing is erased");

    let shown = says(&fleet, ["device", "show", "lap-1"])?;
    for part in [
        "reported lost at ",
        "left in a train",
        "last order: carried out, receipt of",
        "accounts it locked: ada",
        "it held profiles: people@1",
        "disk encryption as of",
    ] {
        assert!(shown.contains(part), "{part:?} is not in: {shown}");
    }
    let why = says(&fleet, ["why", "lap-1"])?;
    assert!(why.contains("carried its last order out") && why.contains("allow-reenroll lap-1"), "{why}");
    let listed = says(&fleet, ["device", "list", "--state", "lost"])?;
    assert!(listed.contains("lap-1"), "{listed}");
    let late = fleet.server.muster(["device", "lost", "lap-1", "--cancel"])?;
    assert!(late.stderr.contains("can't be taken back"), "{}", late.stderr);

    // Whoever found it turns it on.
    device(&mut fleet, "lap-1")?.start()?;
    let found = fleet.device("lap-1")?;
    wait_until("the agent to say why it does nothing", SOON, || {
        Ok(found.journal("muster-agent").contains("has carried its last order out").then_some(()))
    })?;
    assert!(ada_is_locked(found)?);
    assert_eq!(detail(&fleet, "lap-1")?.device.state, DeviceState::Lost);
    says(&fleet, ["device", "allow-reenroll", "lap-1"])?;
    found.write_file("/root/join.toml", fleet.admin.join_file("S-lap-1")?, 0o600)?;
    found.exec(["muster-agent", "enroll", "--join-file", "/root/join.toml"])?.ok()?;
    wait_for(&fleet, "lap-1", DeviceState::Ready)?;
    wait_until("the account to be unlocked, as its state says", SOON, || {
        Ok((!ada_is_locked(found)?).then_some(()))
    })?;
    assert_eq!(found.read_file("/home/ada/letter")?, "hers");
    Ok(())
}

#[test]
fn a_way_that_is_cut_while_nobody_speaks_is_known_on_both_sides_before_the_server_next_would() -> Result<()> {
    // The longest that the kernels ask for, a minute more where something was just sent, and some for a busy machine.
    const ASKED: Duration = Duration::from_secs(140);
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["lap-1"])?;
    let device = fleet.device("lap-1")?;
    device.cut_off()?;
    let is_known = || {
        let link: serde_json::Value =
            serde_json::from_str(&device.exec(["muster-agent", "status", "-o", "json"])?.stdout)?;
        let there = !link["link"]["down"].is_null();
        let here = !detail(&fleet, "lap-1")?.device.connected;
        Ok((there && here).then_some(()))
    };
    wait_until("the link to be gone on both sides", ASKED, is_known)
        .with_context(|| journal(&fleet, "lap-1"))?;
    device.reconnect()?;
    fleet.wait_until_connected("lap-1")
}

#[test]
fn an_order_waits_for_a_device_that_is_off_the_network_and_can_be_taken_back_meanwhile() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["lap-1"])?;
    fleet.log_in()?;
    with_people(&fleet, &["lap-1"])?;
    fleet.device("lap-1")?.cut_off()?;
    says(&fleet, ["device", "lost", "lap-1", "--yes"])?;
    let why = says(&fleet, ["why", "lap-1"])?;
    assert!(why.contains("its last order") && why.contains("muster device lost lap-1 --cancel"), "{why}");
    says(&fleet, ["device", "lost", "lap-1", "--cancel"])?;
    assert_eq!(detail(&fleet, "lap-1")?.lost, None);
    fleet.device("lap-1")?.reconnect()?;
    fleet.wait_until_connected("lap-1")?;
    assert!(!ada_is_locked(fleet.device("lap-1")?)?, "it was found in time");

    device(&mut fleet, "lap-1")?.power_off()?;
    // An order that is given over a link that is down without anybody knowing yet counts as given.
    wait_until("the link to be gone", Duration::from_secs(180), || {
        Ok((!detail(&fleet, "lap-1")?.device.connected).then_some(()))
    })?;
    says(&fleet, ["device", "lost", "lap-1", "--yes"])?;
    let shown = says(&fleet, ["device", "show", "lap-1"])?;
    assert!(shown.contains("last order: waits for its next contact"), "{shown}");
    let device = device(&mut fleet, "lap-1")?;
    // It may be off again before systemd has told that it is up.
    device.start().ok();
    device.wait_until_off(SOON)?;
    wait_for(&fleet, "lap-1", DeviceState::Lost)?;
    assert!(ada_is_locked(fleet.device("lap-1")?)?);
    Ok(())
}

/// What the agent locks accounts with, made slow, so that it can be killed while it does.
const USERMOD: &str = "/usr/sbin/usermod";
const SLOW: &str = "#!/bin/sh\nsleep 3\nexec /usr/sbin/usermod.real \"$@\"\n";

#[test]
fn a_lost_device_ends_locked_although_its_agent_was_about_to_unlock_an_account() -> Result<()> {
    const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM\nsleep 5\nexec /usr/sbin/usermod.real \"$@\"\n";
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["lap-1"])?;
    fleet.log_in()?;
    with_people(&fleet, &["lap-1"])?;
    let lost = fleet.device("lap-1")?;
    lost.exec(["mv", USERMOD, "/usr/sbin/usermod.real"])?.ok()?;
    lost.write_file(USERMOD, STUBBORN, 0o755)?;
    // Not the lock of an order: the agent takes it back as it takes back any change.
    lost.exec(["/usr/sbin/usermod.real", "--lock", "--expiredate", "1970-01-02", "ada"])?.ok()?;
    wait_until("the agent to unlock ada", SOON, || {
        Ok(lost.exec(["pgrep", "-f", "usermod"])?.success().then_some(()))
    })?;

    says(&fleet, ["device", "lost", "lap-1", "--yes"])?;
    device(&mut fleet, "lap-1")?.wait_until_off(SOON)?;
    let shown = wait_for(&fleet, "lap-1", DeviceState::Lost)?.lost.context("it is lost")?;
    assert_eq!(shown.receipt.context("its receipt is there")?.locked, ["ada"]);
    assert!(ada_is_locked(fleet.device("lap-1")?)?);
    Ok(())
}

/// Reports the device lost and kills its agent while it carries the order out.
fn kill_between_order_and_receipt(fleet: &Fleet<'_>) -> Result<()> {
    says(fleet, ["device", "lost", "lap-1", "--yes"])?;
    wait_until("the order to be given", SOON, || {
        Ok(detail(fleet, "lap-1")?.lost.is_some_and(|lost| lost.given.is_some()).then_some(()))
    })?;
    std::thread::park_timeout(Duration::from_secs(1));
    fleet.device("lap-1")?.exec(["systemctl", "kill", "-s", "KILL", "muster-agent"])?.ok()?;
    let lost = detail(fleet, "lap-1")?.lost.context("it is lost")?;
    ensure!(lost.received.is_none(), "the receipt came before the crash");
    Ok(())
}

#[test]
fn an_agent_killed_between_order_and_receipt_ends_what_it_began_or_goes_on_when_the_order_is_taken_back()
-> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["lap-1"])?;
    fleet.log_in()?;
    with_people(&fleet, &["lap-1"])?;
    let lost = fleet.device("lap-1")?;
    lost.exec(["mv", USERMOD, "/usr/sbin/usermod.real"])?.ok()?;
    lost.write_file(USERMOD, SLOW, 0o755)?;

    kill_between_order_and_receipt(&fleet)?;
    lost.cut_off()?;
    wait_until("ada to be locked", SOON, || Ok(ada_is_locked(lost)?.then_some(())))?;
    says(&fleet, ["device", "lost", "lap-1", "--cancel"])?;
    lost.reconnect()?;
    wait_until("ada to be let in again", SOON, || Ok((!ada_is_locked(lost)?).then_some(())))
        .with_context(|| journal(&fleet, "lap-1"))?;
    fleet.wait_until_connected("lap-1")?;
    assert_eq!(detail(&fleet, "lap-1")?.device.state, DeviceState::Ready);
    assert_eq!(audited(&fleet, "device.lost.receipt")?.len(), 0);

    kill_between_order_and_receipt(&fleet)?;
    let off = device(&mut fleet, "lap-1")?.wait_until_off(SOON);
    off.with_context(|| journal(&fleet, "lap-1"))?;
    let shown = wait_for(&fleet, "lap-1", DeviceState::Lost)?;
    let receipt = shown.lost.and_then(|lost| lost.receipt).context("its receipt is there")?;
    assert_eq!((receipt.locked, receipt.faults), (vec!["ada".to_owned()], vec![]));
    assert!(ada_is_locked(fleet.device("lap-1")?)?);
    assert_eq!(audited(&fleet, "device.lost.receipt")?.len(), 1, "it is recorded once");
    Ok(())
}

/// Lets so many days pass for server and agent, with the device off meanwhile.
fn pass_days<'n>(fleet: &mut Fleet<'n>, network: &'n Network, days: i32) -> Result<()> {
    let device = fleet.device("lap-1")?;
    device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    device.set_clock_off(days)?;
    fleet.server.serve_off(days)?;
    let password = fleet.admin.password.clone();
    fleet.admin = Admin::log_in(network, &fleet.server, &password)?;
    fleet.device("lap-1")?.exec(["systemctl", "start", "muster-agent"])?.ok()?;
    Ok(())
}

/// The command line judges the server's certificate by this host's clock, and so can't be asked in days to come.
fn audited_then(fleet: &Fleet<'_>, action: &str) -> Result<Vec<AuditEntry>> {
    let entries: Page<AuditEntry> = fleet.admin.get("/audit?limit=200")?;
    Ok(entries.items.into_iter().filter(|entry| entry.action == action).collect())
}

#[test]
fn a_device_comes_back_within_the_window_by_itself_and_later_by_an_admins_word() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["lap-1"])?;
    let before = detail(&fleet, "lap-1")?.certificate_not_after.context("it has a certificate")?;
    pass_days(&mut fleet, &network, 100)?;
    fleet.wait_until_connected("lap-1")?;
    let back = detail(&fleet, "lap-1")?.certificate_not_after.context("it has a certificate")?;
    ensure!(back > before.plus_seconds(90 * 86_400), "{back} is that of the return");
    assert_eq!(audited_then(&fleet, "certificate.return")?.len(), 1);

    pass_days(&mut fleet, &network, 400)?;
    let device = fleet.device("lap-1")?;
    wait_until("the agent to be refused", SOON, || {
        Ok(device.journal("muster-agent").contains("does not take it back").then_some(()))
    })
    .with_context(|| journal(&fleet, "lap-1"))?;
    let causes = detail(&fleet, "lap-1")?.causes;
    let why = causes.first().context("there is a cause")?;
    assert!(why.problem.contains("to come back") && why.kind == "late_return", "{causes:?}");
    let remedy = why.remedy.as_deref().unwrap_or_default();
    assert!(remedy.contains("muster device allow-reenroll lap-1"), "{remedy}");
    let refused = audited_then(&fleet, "return.refuse")?;
    let reason = refused.first().and_then(|entry| entry.detail["reason"].as_str()).unwrap_or_default();
    assert!(reason.contains("return_window"), "{reason}");

    let day = AllowReenroll::default();
    fleet.admin.post::<DeviceView>("/devices/lap-1/allow-reenroll", &day)?;
    fleet.device("lap-1")?.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    fleet.wait_until_connected("lap-1")?;
    let detail = detail(&fleet, "lap-1")?;
    assert_eq!((detail.reenroll_until, detail.late_return), (None, None), "the word is used up");
    Ok(())
}

#[test]
fn one_machine_is_never_taken_for_two() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    with_people(&fleet, &["srv-1"])?;
    let still_one = |fleet: &Fleet<'_>, after: &str| -> Result<()> {
        fleet.wait_until_connected("srv-1").with_context(|| format!("after {after}"))?;
        let detail = detail(fleet, "srv-1")?;
        ensure!(
            detail.device.state == DeviceState::Ready && detail.twins.is_none(),
            "after {after}: {detail:?}"
        );
        Ok(())
    };
    for _ in 0..2 {
        device(&mut fleet, "srv-1")?.reboot()?;
        still_one(&fleet, "a reboot")?;
    }
    // The server does not know that the link is dead when the next boot follows.
    device(&mut fleet, "srv-1")?.kill()?;
    device(&mut fleet, "srv-1")?.start()?;
    still_one(&fleet, "a power cut")?;
    let one = fleet.device("srv-1")?;
    for _ in 0..3 {
        one.cut_off()?;
        std::thread::park_timeout(Duration::from_secs(2));
        one.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
        one.reconnect()?;
        still_one(&fleet, "a lost network")?;
    }
    one.exec(["systemctl", "kill", "-s", "KILL", "muster-agent"])?.ok()?;
    still_one(&fleet, "a crash of the agent")?;
    one.install_deb(&muster_tests::Artifacts::find()?.agent_deb)?;
    still_one(&fleet, "the agent installed anew")?;
    says(&fleet, ["device", "allow-reenroll", "srv-1"])?;
    enroll_anew(&fleet, one, "S-srv-1")?;
    wait_until("the new key to be in", SOON, || {
        Ok((audited(&fleet, "device.enroll")?.len() == 2).then_some(()))
    })?;
    wait_for(&fleet, "srv-1", DeviceState::Ready)?;
    still_one(&fleet, "an enrollment with a new key")?;
    assert_eq!(audited(&fleet, "device.hold")?.len(), 0);
    Ok(())
}

#[test]
fn two_machines_with_one_identity_are_held_and_both_enroll_anew() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    with_people(&fleet, &["srv-1"])?;
    let copy = fleet.boot_copy(&network, "srv-1", "copy-1")?;
    let held = wait_for(&fleet, "srv-1", DeviceState::Held)?;
    let one = fleet.device("srv-1")?;
    let addresses: Vec<_> = held.twins.context("they are shown")?.machines.map(|m| m.address).into();
    assert_eq!(addresses, [one.address(), copy.address()]);
    let said = format!("two machines use this identity, seen from {} ", one.address());
    for why in [says(&fleet, ["why", "srv-1"])?, says(&fleet, ["device", "show", "srv-1"])?] {
        assert!(why.contains(&said) && why.contains(copy.address()), "{why}");
    }

    fleet.admin.save_profile(
        "later",
        "muster: 1\nprofile: later\nresources:\n  - file: { path: /etc/later, content: x }\n",
    )?;
    fleet.admin.assign("later", "everyone", Mode::Enforce)?;
    for machine in [one, &copy] {
        machine.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    }
    wait_until("both to be refused", SOON, || {
        let refused = |machine: &Device<'_>| machine.journal("muster-agent").contains("the server refused");
        Ok((refused(one) && refused(&copy)).then_some(()))
    })?;
    assert!(
        !one.path("/etc/later").exists() && !copy.path("/etc/later").exists(),
        "neither is told anything"
    );

    says(&fleet, ["device", "allow-reenroll", "srv-1"])?;
    enroll_anew(&fleet, one, "S-srv-1")?;
    wait_for(&fleet, "srv-1", DeviceState::Ready)?;
    assert!(one.path("/etc/later").exists());
    assert!(!copy.path("/etc/later").exists(), "the copy's certificate is revoked");
    fleet.admin.import("serial,name,owner,labels\nS-copy-1,copy-1,,\n")?;
    enroll_anew(&fleet, &copy, "S-copy-1")?;
    fleet.admin.wait_until_applied("copy-1")?;
    assert_eq!(detail(&fleet, "srv-1")?.twins, None);
    assert!(copy.path(IDENTITY).exists());
    Ok(())
}
