//! A server is lost and put back from a backup, while a real device goes on.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{Compliance, DeviceDetail, HistoryEntry, Page};
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

#[test]
fn what_happens_on_a_device_that_was_put_back_to_a_snapshot_is_heard_of_and_so_is_what_fails_there_again()
-> Result<()> {
    const FIXED: &str = "/etc/fixed";
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let check = format!(
        "checks:\n  - id: fixed\n    title: It is fixed\n    query: SELECT 1 FROM file WHERE path = '{FIXED}'\n    severity: high\n"
    );
    let save = |text: &str| fleet.admin.save_profile("base", &(profile("base", KEPT, text) + &check));
    let stands = |wanted: Compliance| {
        fleet.server.muster(["device", "apply-now", DEVICE])?.ok()?;
        wait_until("the device to stand otherwise", Duration::from_secs(30), || {
            let detail: DeviceDetail = fleet.admin.get(&format!("/devices/{DEVICE}"))?;
            Ok((detail.device.compliance == wanted).then_some(()))
        })
        .with_context(|| format!("{wanted:?}"))
    };
    save("as it was")?;
    fleet.admin.assign("base", &format!("device:{DEVICE}"), Mode::Enforce)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    stands(Compliance::Failing)?;
    let run = |line: &str| device.exec(["sh", "-c", line]).and_then(|ran| ran.ok());
    run(
        "systemctl stop muster-agent && cp -a /var/lib/muster /root/snapshot && systemctl start muster-agent",
    )?;
    fleet.wait_until_connected(DEVICE)?;

    run(&format!("touch {FIXED}"))?;
    stands(Compliance::Compliant)?;
    for text in ["two", "three", "four"] {
        save(text)?;
        fleet.admin.assign("base", &format!("device:{DEVICE}"), Mode::Enforce)?;
        fleet.admin.wait_until_applied(DEVICE)?;
    }
    let changed = || Ok::<_, anyhow::Error>(history(&fleet)?.iter().filter(|e| e.event == "changed").count());
    let before = changed()?;

    run("systemctl stop muster-agent && rm -rf /var/lib/muster && mv /root/snapshot /var/lib/muster")?;
    run(&format!("rm {FIXED}; echo as it was >{KEPT}; systemctl start muster-agent"))?;
    wait_until("the repair to be in the history", Duration::from_secs(30), || {
        Ok((changed()? > before).then_some(()))
    })?;
    stands(Compliance::Failing)
}
