//! Clocks that are wrong, on a device and on the server, and time that passes while a device sleeps or boots without its server.

use std::ffi::OsStr;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use muster_proto::Timestamp;
use muster_proto::rest::{DeviceDetail, DeviceState};
use muster_proto::state::Mode;
use muster_tests::{Artifacts, Device, Fleet, Network, Output, clock, wait_until};

const DEVICE: &str = "srv-1";
const SOON: Duration = Duration::from_secs(90);
const VISIT: &str = "/etc/visit";
const KEPT: &str = "/etc/kept.conf";

/// Sets the agent's clock so many days off, and restarts it.
fn set_clock(device: &Device<'_>, days: i32) -> Result<()> {
    device.set_clock_off(days)?;
    restart(device)
}

/// Sets the agent's clock right, and restarts it.
fn set_right(device: &Device<'_>) -> Result<()> {
    device.set_clock_right()?;
    restart(device)
}

fn restart(device: &Device<'_>) -> Result<()> {
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    Ok(())
}

/// What the owner reads on the device, by the same clock as its agent.
fn status(device: &Device<'_>, days: i32) -> Result<Output> {
    let words = ["muster-agent", "status"].map(str::to_owned);
    device.exec(clock::off_on_device(days).into_iter().chain(words))
}

fn detail(fleet: &Fleet<'_>) -> Result<DeviceDetail> {
    fleet.admin.get(&format!("/devices/{DEVICE}"))
}

fn journal(fleet: &Fleet<'_>) -> String {
    fleet.device(DEVICE).map(|device| device.journal("muster-agent")).unwrap_or_default()
}

fn wait_until_connected(fleet: &Fleet<'_>, connected: bool) -> Result<()> {
    wait_until(&format!("connected to be {connected}"), SOON, || {
        Ok((detail(fleet)?.device.connected == connected).then_some(()))
    })
    .with_context(|| format!("{}\n{}", journal(fleet), fleet.server.log()))
}

/// What the admin is told of the device's clock, once it is told.
fn told_of_the_clock(fleet: &Fleet<'_>, part: &str) -> Result<()> {
    wait_until(&format!("{part:?} to be told"), SOON, || {
        let causes = detail(fleet)?.causes;
        Ok(causes.iter().any(|cause| cause.kind == "clock" && cause.problem.contains(part)).then_some(()))
    })
    .with_context(|| format!("{:?}\n{}", detail(fleet), journal(fleet)))?;
    let why = fleet.server.muster(["why", DEVICE])?.ok()?.stdout;
    ensure!(why.contains(part) && why.contains("timedatectl"), "{why}");
    Ok(())
}

fn told_of_no_clock(fleet: &Fleet<'_>) -> Result<()> {
    wait_until("nothing to be told of the clock", SOON, || {
        Ok(detail(fleet)?.causes.iter().all(|cause| cause.kind != "clock").then_some(()))
    })
    .with_context(|| format!("{:?}", detail(fleet)))
}

/// Gives everyone a file that is kept, and one with an end so many seconds from now.
fn give(fleet: &Fleet<'_>, seconds: i64) -> Result<()> {
    let end = Timestamp::from_system(SystemTime::now()).plus_seconds(seconds);
    let source = format!(
        "muster: 1\nprofile: visit\nresources:\n  - file: {{ path: {KEPT}, content: \"ours\\n\" }}\n  \
         - file: {{ path: {VISIT}, content: x, not_after: \"{end}\" }}\n"
    );
    fleet.admin.save_profile("visit", &source)?;
    fleet.admin.assign("visit", "everyone", Mode::Enforce)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    Ok(())
}

/// The device keeps what it has, whether the server is there or not, and no lease ended before its time.
fn goes_on(device: &Device<'_>) -> Result<()> {
    device.write_file(KEPT, "theirs\n", 0o644)?;
    wait_until("the file to be kept", SOON, || Ok((device.read_file(KEPT)? == "ours\n").then_some(())))
        .with_context(|| device.journal("muster-agent"))?;
    ensure!(device.path(VISIT).exists(), "a lease ended before its time: {}", device.journal("muster-agent"));
    Ok(())
}

/// A registered machine with the agent, whose clock is so many days off when it is to enroll.
fn stranger<'n>(fleet: &mut Fleet<'n>, network: &'n Network, days: i32) -> Result<()> {
    let device = fleet.boot_stranger(network, DEVICE)?;
    fleet.admin.import(&format!("serial,name,owner,labels\nS-1,{DEVICE},,\n"))?;
    set_clock(&device, days)?;
    device.write_file("/etc/muster/agent.toml", "serial = \"S-1\"\n", 0o644)?;
    device.write_file("/etc/muster/join.toml", fleet.admin.join_file("S-1")?, 0o600)?;
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    fleet.devices.insert(DEVICE, device);
    Ok(())
}

#[test]
fn a_device_whose_clock_is_years_behind_enrolls_keeps_its_leases_by_the_servers_time_and_says_so()
-> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    stranger(&mut fleet, &network, -2200)?;
    wait_until_connected(&fleet, true)?;
    give(&fleet, 40)?;
    let device = fleet.device(DEVICE)?;
    assert_eq!(detail(&fleet)?.device.state, DeviceState::Ready);
    ensure!(device.path(VISIT).exists());
    told_of_the_clock(&fleet, "its clock is 2200 days behind this server's")?;
    let status = status(device, -2200)?;
    ensure!(
        !status.success() && status.stdout.contains("Clock        2200 days behind the server's"),
        "{}",
        status.stdout
    );
    wait_until("the lease to end by the server's time", SOON, || {
        Ok((!device.path(VISIT).exists()).then_some(()))
    })
    .with_context(|| journal(&fleet))?;
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    wait_until_connected(&fleet, true)?;
    ensure!(!device.path(VISIT).exists(), "a lease that is over came back");

    set_right(device)?;
    wait_until_connected(&fleet, true)?;
    told_of_no_clock(&fleet)?;
    device.exec(["muster-agent", "status"])?.ok()?;
    Ok(())
}

#[test]
fn a_device_whose_clock_is_400_days_ahead_says_so_and_enrolls_once_it_is_right() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    stranger(&mut fleet, &network, 400)?;
    let device = fleet.device(DEVICE)?;
    wait_until("the owner to be told", SOON, || {
        let said = status(device, 400)?;
        Ok((!said.success() && said.stderr.contains("set this device's clock")).then_some(()))
    })
    .with_context(|| journal(&fleet))?;
    assert_eq!(detail(&fleet)?.device.state, DeviceState::Registered, "nobody let it in by a wrong time");
    set_right(device)?;
    wait_until_connected(&fleet, true)?;
    told_of_no_clock(&fleet)
}

#[test]
fn a_clock_that_goes_wrong_later_neither_ends_nor_prolongs_a_lease_and_the_device_comes_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    give(&fleet, 86_400)?;
    let device = fleet.device(DEVICE)?;

    set_clock(device, -2200)?;
    wait_until_connected(&fleet, true)?;
    told_of_the_clock(&fleet, "its clock is 2200 days behind this server's")?;
    goes_on(device)?;

    // By this clock the server's certificate has ended: the device trusts nobody, and goes on with what it has.
    set_clock(device, 400)?;
    wait_until("the agent to say why it is alone", SOON, || {
        Ok(journal(&fleet).contains("set this device's clock").then_some(()))
    })
    .with_context(|| journal(&fleet))?;
    wait_until_connected(&fleet, false)?;
    goes_on(device)?;
    let said = status(device, 400)?;
    ensure!(said.stdout.contains("Clock        400 days ahead of the server's"), "{}", said.stdout);

    set_right(device)?;
    wait_until_connected(&fleet, true)?;
    told_of_no_clock(&fleet)?;
    goes_on(device)
}

#[test]
fn a_lease_that_ran_out_while_the_machine_slept_ends_when_it_wakes_whatever_its_clock_says() -> Result<()> {
    const HOUR: u64 = 60 * 60;
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    give(&fleet, 6 * 60 * 60)?;
    let device = fleet.device(DEVICE)?;
    device.cut_off()?;
    let awake = device.wake_after(Duration::from_secs(2 * HOUR))?;
    goes_on(device)?;
    awake.end()?;

    let awake = device.wake_after(Duration::from_secs(8 * HOUR))?;
    wait_until("the lease to end without the server", SOON, || {
        Ok((!device.path(VISIT).exists()).then_some(()))
    })
    .with_context(|| journal(&fleet))?;
    ensure!(device.read_file(KEPT)? == "ours\n", "what has no end stays");

    // The server did not sleep, and by its time the lease goes on.
    awake.end()?;
    device.reconnect()?;
    restart(device)?;
    wait_until_connected(&fleet, true)?;
    wait_until("the lease to come back", SOON, || Ok(device.path(VISIT).exists().then_some(())))
        .with_context(|| journal(&fleet))
}

/// Boots a device that has no network, with its clock a number of days off.
fn reboot_offline(fleet: &mut Fleet<'_>, days: i32) -> Result<()> {
    let device = fleet.devices.get_mut(DEVICE).context("the device is one of the fleet")?;
    device.cut_off()?;
    if days != 0 {
        device.set_clock_off(days)?;
    }
    device.reboot()
}

#[test]
fn a_device_that_boots_without_its_server_ends_leases_by_its_clock_and_one_set_back_brings_none_back()
-> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[DEVICE])?;
    give(&fleet, 45)?;
    reboot_offline(&mut fleet, 0)?;
    let device = fleet.device(DEVICE)?;
    wait_until("the lease to end without the server", SOON, || {
        Ok((!device.path(VISIT).exists()).then_some(()))
    })
    .with_context(|| device.journal("muster-agent"))?;
    ensure!(device.read_file(KEPT)? == "ours\n", "what has no end stays");

    // By this clock the lease has a year to go.
    reboot_offline(&mut fleet, -365)?;
    let device = fleet.device(DEVICE)?;
    device.write_file(KEPT, "theirs\n", 0o644)?;
    wait_until("the file to be kept", SOON, || Ok((device.read_file(KEPT)? == "ours\n").then_some(())))
        .with_context(|| device.journal("muster-agent"))?;
    ensure!(!device.path(VISIT).exists(), "a clock set back brought an ended lease back");

    fleet.device(DEVICE)?.reconnect()?;
    set_right(fleet.device(DEVICE)?)?;
    wait_until_connected(&fleet, true)?;
    ensure!(!fleet.device(DEVICE)?.path(VISIT).exists(), "an ended lease came back with the server");
    Ok(())
}

/// What the doctor says of the clock, by the clock that the server has.
fn doctor(fleet: &Fleet<'_>, network: &Network, days: i32) -> Result<String> {
    let (server, data) = (Artifacts::find()?.server, fleet.server.data());
    let under = clock::off_on_server(days);
    let mut argv: Vec<&OsStr> = under.iter().map(AsRef::as_ref).collect();
    argv.extend([server.as_os_str(), "doctor".as_ref(), "--data".as_ref(), data.as_os_str()]);
    let said = network.run(argv, Duration::from_secs(60))?.stdout;
    let line = said.lines().find(|line| line.split_whitespace().nth(1) == Some("clock"));
    Ok(line.with_context(|| format!("no word of the clock: {said}"))?.to_owned())
}

#[test]
fn a_server_whose_clock_is_400_days_ahead_misleads_no_device_and_all_is_well_once_it_is_right() -> Result<()>
{
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    give(&fleet, 86_400)?;
    let history = || fleet.admin.get::<serde_json::Value>(&format!("/devices/{DEVICE}/history"));
    let before = history()?["total"].clone();

    fleet.server.serve_off(400)?;
    let device = fleet.device(DEVICE)?;
    wait_until("the agent to say why it is alone", SOON, || {
        Ok(journal(&fleet).contains("look at the server's with muster-server doctor").then_some(()))
    })
    .with_context(|| journal(&fleet))?;
    goes_on(device)?;

    fleet.server.serve_anew()?;
    wait_until_connected(&fleet, true)?;
    goes_on(fleet.device(DEVICE)?)?;
    give(&fleet, 86_400)?;
    let after: serde_json::Value = fleet.admin.get(&format!("/devices/{DEVICE}/history"))?;
    ensure!(after["total"].as_u64() >= before.as_u64(), "what had happened is forgotten: {before} {after}");
    fleet.device(DEVICE)?.exec(["muster-agent", "status"])?.ok()?;
    Ok(())
}

#[test]
fn a_server_whose_clock_is_years_behind_is_told_so_and_brings_no_lease_back() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    give(&fleet, 86_400)?;

    fleet.server.serve_off(-2200)?;
    let said = doctor(&fleet, &network, -2200)?;
    ensure!(said.starts_with("failed") && said.contains("and something happened at"), "{said}");
    goes_on(fleet.device(DEVICE)?)?;

    fleet.server.serve_anew()?;
    wait_until_connected(&fleet, true)?;
    goes_on(fleet.device(DEVICE)?)?;
    told_of_no_clock(&fleet)?;
    let said = doctor(&fleet, &network, 0)?;
    ensure!(said.starts_with("ok"), "{said}");
    Ok(())
}
