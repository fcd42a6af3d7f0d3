//! No room left: on a device, where it keeps its ledger and where resources are written, and on the server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::Timestamp;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{DeviceDetail, HistoryEntry, Page, ResourceView};
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, Output, wait_until};

const DEVICE: &str = "srv-1";
const SOON: Duration = Duration::from_secs(120);
const KEPT: &str = "/etc/kept.conf";
const VISIT: &str = "/etc/visit";
/// Where the agent keeps its ledger.
const LEDGER: &str = "/var/lib/muster";

fn file(name: &str, path: &str, content: &str) -> String {
    format!(
        "muster: 1\nprofile: {name}\nresources:\n  - file: {{ path: {path}, content: \"{content}\\n\", mode: \"0644\" }}\n"
    )
}

/// Saves a profile and assigns it to everyone.
fn give(fleet: &Fleet<'_>, name: &str, source: &str) -> Result<()> {
    fleet.admin.save_profile(name, source)?;
    fleet.admin.assign(name, "everyone", Mode::Enforce)?;
    Ok(())
}

fn detail(fleet: &Fleet<'_>, device: &str) -> Result<DeviceDetail> {
    fleet.admin.get(&format!("/devices/{device}"))
}

fn history(fleet: &Fleet<'_>, device: &str) -> Result<Vec<HistoryEntry>> {
    Ok(fleet.admin.get::<Page<HistoryEntry>>(&format!("/devices/{device}/history?limit=200"))?.items)
}

/// What the admin reads of one resource, once it is as said.
fn wait_for(fleet: &Fleet<'_>, resource: &str, outcome: OutcomeKind) -> Result<ResourceView> {
    let shown = || -> Result<Option<ResourceView>> {
        Ok(fleet.admin.resources(DEVICE)?.into_iter().find(|one| one.resource == resource))
    };
    wait_until(&format!("{resource} to be {outcome:?}"), SOON, || {
        Ok(shown()?.filter(|one| one.outcome == outcome))
    })
    .with_context(|| format!("{:?}\n{}", shown(), journal(fleet)))
}

fn wait_for_content(device: &Device<'_>, path: &str, content: &str) -> Result<()> {
    wait_until(&format!("{path} to say {content:?}"), SOON, || {
        Ok(device.read_file(path).is_ok_and(|found| found == content).then_some(()))
    })
    .with_context(|| device.journal("muster-agent"))
}

fn journal(fleet: &Fleet<'_>) -> String {
    fleet.device(DEVICE).map(|device| device.journal("muster-agent")).unwrap_or_default()
}

fn sh(device: &Device<'_>, script: &str) -> Result<Output> {
    device.exec(["sh", "-c", script])?.ok()
}

/// Processor time of the agent so far, in seconds, and its process: a restart would hide what it took before.
fn spent(device: &Device<'_>) -> Result<(f64, String)> {
    let said = sh(
        device,
        "pid=$(systemctl show -p MainPID --value muster-agent); echo $pid; cut -d' ' -f14,15 /proc/$pid/stat",
    )?;
    let mut words = said.stdout.split_whitespace();
    let pid = words.next().context("no process")?.to_owned();
    let ticks: f64 = words.filter_map(|word| word.parse::<f64>().ok()).sum();
    Ok((ticks / 100.0, pid))
}

#[test]
fn a_device_whose_disk_is_full_says_so_ends_leases_and_goes_on_by_itself_with_a_whole_record() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let identity = device.read_file("/var/lib/muster/identity/identity.pem")?;
    device.put_ledger_on_small_disk()?;
    sh(device, "systemctl start muster-agent")?;
    give(&fleet, "kept", &file("kept", KEPT, "ours"))?;
    let end = Timestamp::from_system(std::time::SystemTime::now()).plus_seconds(60);
    let visit = format!(
        "muster: 1\nprofile: visit\nresources:\n  - file: {{ path: {VISIT}, content: x, not_after: \"{end}\" }}\n"
    );
    give(&fleet, "visit", &visit)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    ensure!(device.path(VISIT).exists());

    device.fill_disk(LEDGER)?;
    device.write_file(KEPT, "theirs\n", 0o644)?;
    let shown = wait_for(&fleet, &format!("file:{KEPT}"), OutcomeKind::Failed)?;
    let reason = shown.reason.unwrap_or_default();
    ensure!(reason.contains("the agent's ledger can't be written") && reason.contains("full"), "{reason}");
    let why = fleet.server.muster(["why", DEVICE])?.ok()?.stdout;
    ensure!(why.contains("the agent's ledger can't be written") && why.contains("kept@1"), "{why}");
    let status = device.exec(["muster-agent", "status"])?;
    ensure!(!status.success(), "{}", status.stdout);
    for part in ["Ledger       can't be written since", "Make room on the disk of /var/lib/muster", "Failed"]
    {
        ensure!(status.stdout.contains(part), "{part:?} is not in: {}", status.stdout);
    }
    assert_eq!(device.read_file(KEPT)?, "theirs\n", "nothing is changed that could not be taken back");

    let before = spent(device)?;
    wait_until("the lease to end", SOON, || Ok((!device.path(VISIT).exists()).then_some(())))
        .with_context(|| journal(&fleet))?;
    give(&fleet, "later", &file("later", "/etc/later.conf", "later"))?;
    std::thread::park_timeout(Duration::from_secs(20));
    let after = spent(device)?;
    assert_eq!(after.1, before.1, "the agent goes on: {}", journal(&fleet));
    ensure!(after.0 - before.0 < 5.0, "it is busy with nothing: {before:?}, {after:?}");
    ensure!(!device.path("/etc/later.conf").exists());
    let waiting = detail(&fleet, DEVICE)?.device;
    ensure!(waiting.connected && waiting.generation_applied < waiting.generation_wanted, "{waiting:?}");

    device.make_room(LEDGER)?;
    wait_for_content(device, KEPT, "ours\n")?;
    fleet.admin.wait_until_applied(DEVICE)?;
    wait_for_content(device, "/etc/later.conf", "later\n")?;
    wait_for(&fleet, &format!("file:{KEPT}"), OutcomeKind::Kept)?;
    let status = device.exec(["muster-agent", "status"])?.ok()?.stdout;
    ensure!(!status.contains("Ledger"), "{status}");
    assert_eq!(device.read_file("/var/lib/muster/identity/identity.pem")?, identity);
    assert_eq!(device.ask_ledger("PRAGMA integrity_check")?, ["ok"]);
    fleet.check_record(device)?;
    let history = history(&fleet, DEVICE)?;
    for said in [format!("ended: file:{VISIT}"), format!("failed: file:{KEPT}")] {
        let times = history.iter().filter(|entry| entry.text.starts_with(&said)).count();
        assert_eq!(times, 1, "{said:?}: {history:#?}");
    }
    Ok(())
}

#[test]
fn an_agent_that_starts_on_a_full_disk_knows_who_it_is_and_ends_leases() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let end = Timestamp::from_system(std::time::SystemTime::now()).plus_seconds(40);
    let visit = format!(
        "muster: 1\nprofile: visit\nresources:\n  - file: {{ path: {VISIT}, content: x, not_after: \"{end}\" }}\n"
    );
    give(&fleet, "visit", &visit)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    device.put_ledger_on_small_disk()?;
    device.fill_disk(LEDGER)?;
    sh(device, "systemctl start muster-agent")?;
    wait_until("the lease to end", SOON, || Ok((!device.path(VISIT).exists()).then_some(())))
        .with_context(|| journal(&fleet))?;
    fleet.wait_until_connected(DEVICE)?;
    device.make_room(LEDGER)?;
    give(&fleet, "kept", &file("kept", KEPT, "ours"))?;
    fleet.admin.wait_until_applied(DEVICE)?;
    fleet.check_record(device)
}

#[test]
fn a_resource_on_a_full_disk_fails_alone_leaves_no_half_file_and_is_made_once_there_is_room() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    device.put_on_small_disk("/srv/data", 1)?;
    device.write_file("/srv/data/theirs", "theirs\n", 0o644)?;
    device.fill_disk("/srv/data")?;
    let large = "ours ".repeat(4_000);
    let source = format!(
        "muster: 1\nprofile: data\nresources:\n  - file: {{ path: /srv/data/new, content: \"{large}\" }}\n  \
         - file: {{ path: /srv/data/theirs, content: \"{large}\" }}\n  - file: {{ path: {KEPT}, content: \"ours\\n\" }}\n"
    );
    give(&fleet, "data", &source)?;
    for path in ["/srv/data/new", "/srv/data/theirs"] {
        let shown = wait_for(&fleet, &format!("file:{path}"), OutcomeKind::Failed)?;
        ensure!(shown.reason.as_deref().unwrap_or_default().contains("No space left"), "{shown:?}");
    }
    let why = fleet.server.muster(["why", DEVICE])?.ok()?.stdout;
    ensure!(why.contains("No space left") && why.contains("data@1"), "{why}");
    let status = device.exec(["muster-agent", "status"])?;
    ensure!(!status.success() && status.stdout.contains("No space left"), "{}", status.stdout);
    wait_for_content(device, KEPT, "ours\n")?;
    assert_eq!(sh(device, "ls -A /srv/data")?.stdout, "filler\ntheirs\n");
    assert_eq!(device.read_file("/srv/data/theirs")?, "theirs\n", "what was there is whole");

    device.make_room("/srv/data")?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(device.read_file("/srv/data/new")?, large);
    assert_eq!(sh(device, "ls -A /srv/data")?.stdout, "new\ntheirs\n");
    Ok(())
}

#[test]
fn a_server_whose_disk_is_full_refuses_changes_keeps_what_it_has_and_gets_everything_once_afterwards()
-> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[DEVICE, "srv-2"])?;
    fleet.log_in()?;
    fleet.server.move_to_small_disk(160)?;
    give(&fleet, "kept", &file("kept", KEPT, "ours"))?;
    for name in [DEVICE, "srv-2"] {
        fleet.admin.wait_until_applied(name)?;
    }
    let source = network.folder().join("later.yaml");
    std::fs::write(&source, file("later", "/etc/later.conf", "later")).context("writing a profile")?;
    let apply = || fleet.server.muster(["profile".as_ref(), "apply".as_ref(), source.as_os_str()]);

    fleet.server.fill_disk()?;
    let refused = apply()?;
    ensure!(!refused.success(), "{}", refused.stdout);
    for part in ["The server's disk is full", "nothing of this was recorded", "muster-server doctor"] {
        ensure!(refused.stderr.contains(part), "{part:?} is not in: {}", refused.stderr);
    }
    let answer = fleet.admin.put_profile("later", &file("later", "/etc/later.conf", "later"))?;
    ensure!(answer.status == 507 && answer.body.contains("Disk full"), "{answer:?}");
    let doctor = fleet.server.muster_server(["doctor"])?;
    ensure!(doctor.code == Some(1), "{}", doctor.stdout);
    let space = doctor.stdout.lines().find(|line| line.contains("disk space")).unwrap_or_default();
    ensure!(space.starts_with("failed") && space.contains("make room now"), "{}", doctor.stdout);
    ensure!(doctor.stdout.contains("database             whole"), "{}", doctor.stdout);

    // What can be read is read, and the devices keep what they have and have something to say.
    let listed = fleet.server.muster(["device", "list"])?.ok()?.stdout;
    ensure!(listed.contains(DEVICE) && listed.contains("srv-2"), "{listed}");
    // Three times and no more: a fourth in a row would be a fight, which a device stays out of.
    for round in 0..3 {
        for device in fleet.devices.values() {
            device.write_file(KEPT, format!("theirs {round}\n"), 0o644)?;
            wait_for_content(device, KEPT, "ours\n")?;
        }
    }
    let waiting = fleet.device(DEVICE)?.untold_events()?;
    ensure!(waiting >= 3, "{waiting} events wait");

    // A crash now loses nothing that was acknowledged, and the server can be read at once.
    fleet.server.kill9()?;
    fleet.server.serve()?;
    fleet.wait_until_connected(DEVICE)?;
    let applied = detail(&fleet, DEVICE)?.device;
    assert_eq!(applied.generation_applied, applied.generation_wanted);

    fleet.server.make_room()?;
    let apply = || fleet.server.muster(["profile".as_ref(), "apply".as_ref(), source.as_os_str()]);
    let said = apply()?.ok()?.stdout;
    ensure!(said.contains("later@1"), "what was refused was not saved: {said}");
    fleet.admin.assign("later", "everyone", Mode::Enforce)?;
    for name in [DEVICE, "srv-2"] {
        fleet.admin.wait_until_applied(name)?;
        fleet.check_record(fleet.device(name)?)?;
        let changed: Vec<_> =
            history(&fleet, name)?.into_iter().filter(|one| one.text.contains("changed")).collect();
        ensure!(changed.len() == 3, "{changed:#?}");
    }
    let doctor = fleet.server.muster_server(["doctor"])?;
    ensure!(doctor.stdout.lines().all(|line| !line.starts_with("failed")), "{}", doctor.stdout);
    Ok(())
}
