//! A server is lost and put back from a backup, while a real device goes on.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{HistoryEntry, Page};
use muster_proto::state::Mode;
use muster_tests::{Admin, Device, Fleet, Network, wait_until};
use serde_json::Value;

const DEVICE: &str = "srv-1";
const KEPT: &str = "/etc/kept.conf";
const LATER: &str = "/etc/later.conf";

fn profile(name: &str, path: &str, content: &str) -> String {
    format!(
        "muster: 1\nprofile: {name}\nresources:\n  - file: {{ path: {path}, content: \"{content}\\n\", mode: \"0644\" }}\n"
    )
}

/// Saves a profile, assigns it to the device and waits until it is applied; gives the generation.
fn apply(fleet: &Fleet<'_>, name: &str, path: &str, content: &str) -> Result<u64> {
    fleet.admin.save_profile(name, &profile(name, path, content))?;
    fleet.admin.assign(name, &format!("device:{DEVICE}"), Mode::Enforce)?;
    Ok(fleet.admin.wait_until_applied(DEVICE)?.device.generation_applied)
}

fn history(fleet: &Fleet<'_>) -> Result<Vec<HistoryEntry>> {
    Ok(fleet.admin.get::<Page<HistoryEntry>>(&format!("/devices/{DEVICE}/history?limit=200"))?.items)
}

/// The generations that the device has accepted by its own record, the oldest first.
fn accepted(device: &Device<'_>) -> Result<Vec<u64>> {
    let said = device.exec(["muster-agent", "history", "-o", "json"])?.ok()?.stdout;
    let events: Vec<Value> = serde_json::from_str(&said).with_context(|| said.clone())?;
    let accepted = events.iter().filter(|event| event["event"] == "accepted");
    let mut found: Vec<u64> = accepted.filter_map(|event| event["generation"].as_u64()).collect();
    ensure!(!found.is_empty(), "no generation in: {said}");
    found.sort_unstable();
    Ok(found)
}

#[test]
fn a_server_put_back_from_a_backup_has_its_device_back_and_nothing_goes_backward() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[DEVICE])?;
    apply(&fleet, "base", KEPT, "as it was")?;
    let backup = network.folder().join("backup.tar");
    fleet.server.muster_server(["backup".as_ref(), "--to".as_ref(), backup.as_os_str()])?.ok()?;

    apply(&fleet, "base", KEPT, "changed since")?;
    let last = apply(&fleet, "later", LATER, "added since")?;
    fleet.server.kill9()?;
    fs::remove_dir_all(fleet.server.data()).context("losing the data folder")?;

    let said = fleet.server.muster_server(["restore".as_ref(), backup.as_os_str()])?.ok()?.stdout;
    ensure!(said.contains("1 are waited for"), "{said}");
    fleet.server.serve()?;
    let password = fleet.admin.password.clone();
    fleet.admin = Admin::log_in(&network, &fleet.server, &password)?;

    let back = fleet.admin.wait_until_applied(DEVICE)?.device;
    ensure!(back.generation_applied > last, "{} came after {last}", back.generation_applied);
    let device = fleet.device(DEVICE)?;
    assert_eq!(device.read_file(KEPT)?, "as it was\n");
    assert!(!device.path(LATER).exists(), "what was assigned since the backup is taken back");
    let resources = wait_until("the device to say again how it stands", Duration::from_secs(30), || {
        let resources = fleet.admin.resources(DEVICE)?;
        Ok((resources.len() == 1).then_some(resources))
    })?;
    assert!(matches!(resources[0].outcome, OutcomeKind::Kept | OutcomeKind::Repaired), "{resources:?}");

    let next = apply(&fleet, "base", KEPT, "after all that")?;
    assert_eq!(device.read_file(KEPT)?, "after all that\n");
    let generations = accepted(device)?;
    assert_eq!(generations.last(), Some(&next));
    assert!(generations.contains(&last), "{generations:?}");
    let refusals = history(&fleet)?.into_iter().filter(|entry| entry.event == "refused").count();
    assert_eq!(refusals, 0, "a generation was offered that is not newer");
    wait_until("the device's reports to be acknowledged", Duration::from_secs(30), || {
        Ok(history(&fleet)?.iter().any(|entry| entry.text.contains(&next.to_string())).then_some(()))
    })?;

    let doctor = fleet.server.muster_server(["doctor"])?;
    ensure!(doctor.success(), "{}", doctor.stdout);
    Ok(())
}
