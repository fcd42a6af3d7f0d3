//! An admin's day with real devices: asking one what it would do, its owner's pause, its own record, and images of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::report::Pause;
use muster_proto::rest::{
    AssignmentView, AuditEntry, Compliance, CreatedToken, DeviceDetail, DevicePlan, HistoryEntry, NewToken,
    Page, Unknown,
};
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

fn motd(text: &str) -> String {
    format!(
        "muster: 1\nprofile: motd\nresources:\n  - file: {{ path: /etc/motd, content: \"{text}\\n\", mode: \"0644\" }}\n"
    )
}

fn detail(fleet: &Fleet<'_>, device: &str) -> Result<DeviceDetail> {
    fleet.admin.get(&format!("/devices/{device}"))
}

/// What `muster profile plan` says of a profile, and its exit code.
fn plan(
    fleet: &Fleet<'_>,
    network: &Network,
    source: &str,
    more: &[&str],
) -> Result<(Option<i32>, String, String)> {
    let file = network.folder().join("draft.yaml");
    std::fs::write(&file, source).context("writing the profile")?;
    let file = file.to_str().context("the run folder's name is text")?;
    let said = fleet.server.muster([&["profile", "plan", file, "--on", "srv-1"], more].concat())?;
    Ok((said.code, said.stdout, said.stderr))
}

/// Everything that the device keeps of itself and everything below `/etc`, as digests.
fn kept(device: &Device<'_>) -> Result<String> {
    let find = "find /etc -type f -exec sha256sum {} + | sort";
    let ledger = "sha256sum /var/lib/muster/ledger.db-wal /var/lib/muster/ledger.db";
    let lists = "find /var/lib/apt/lists -type f -printf '%p %T@\\n' | sort";
    let said = device.exec(["sh", "-c", &format!("{find}; {ledger}; {lists}")])?.ok()?;
    Ok(said.stdout)
}

#[test]
fn a_device_says_what_it_would_do_and_nothing_is_saved_anywhere() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    fleet.admin.save_profile("motd", &motd("one"))?;
    fleet.admin.assign("motd", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    device.exec(["apt-get", "-q", "update"])?.ok()?;
    // What a turn tells comes a moment after it, and is acknowledged a moment later.
    std::thread::park_timeout(Duration::from_secs(3));
    let before = kept(device)?;
    let generation = detail(&fleet, "srv-1")?.device.generation_wanted;

    let (code, same, _) = plan(&fleet, &network, &motd("one"), &[])?;
    assert_eq!((code, same.as_str()), (Some(0), "Plan: +0 ~0 -0, 1 as they should be.\n"));
    let (code, text, note) = plan(&fleet, &network, &motd("two"), &[])?;
    assert_eq!(code, Some(2), "{text}{note}");
    assert!(text.starts_with("~ file:/etc/motd\n    content: \"sha256:"), "{text}");
    assert!(text.ends_with("Plan: +0 ~1 -0, 0 as they should be.\n"), "{text}");
    assert!(note.contains("in place of motd@1 to device:srv-1"), "{note}");
    let other =
        motd("two").replace("profile: motd", "profile: greeting").replace("/etc/motd", "/etc/greeting");
    let (code, json, _) = plan(&fleet, &network, &other, &["-o", "json"])?;
    let answer: DevicePlan = serde_json::from_str(&json).context("reading the plan")?;
    assert_eq!((code, answer.replaces.len(), answer.plan.steps.len()), (Some(2), 0, 1), "{json}");

    let unknown = "muster: 1\nprofile: tools\nresources:\n  - packages: [tree, no-such-tool]\nchecks:\n  - { id: root-is-there, title: Root is there, query: SELECT 1 FROM users WHERE uid = 0 }\n";
    let (_, text, _) = plan(&fleet, &network, unknown, &[])?;
    assert!(
        text.contains("+ package:no-such-tool\n    (no repository that the device knows has it now"),
        "{text}"
    );
    assert!(!text.contains("+ package:tree\n    ("), "{text}");
    assert!(text.contains("? check root-is-there: Root is there\n"), "{text}");

    assert_eq!(kept(device)?, before, "a dry run leaves no trace on the device");
    assert_eq!(detail(&fleet, "srv-1")?.device.generation_wanted, generation);
    assert_eq!(device.read_file("/etc/motd")?, "one\n");
    let audit: Page<AuditEntry> = fleet.admin.get("/audit?limit=1000")?;
    let of = |action: &str| audit.items.iter().filter(|entry| entry.action == action).count();
    assert_eq!((of("device.plan"), of("profile.save")), (4, 1));

    // The same value and the same words as on the device itself, once it is assigned.
    device.exec(["systemctl", "stop", "muster-agent"])?.ok()?;
    let (code, _, said) = plan(&fleet, &network, &motd("two"), &[])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("srv-1 is not connected (last seen "), "{said}");
    Ok(())
}

#[test]
fn a_device_keeps_its_own_record_and_its_owner_may_stop_the_clock() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    fleet.admin.save_profile("motd", &motd("one"))?;
    fleet.admin.assign("motd", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    let agent = |argv: &[&str]| -> Result<String> {
        Ok(device.exec([&["muster-agent"], argv].concat())?.ok()?.stdout)
    };
    let told = agent(&["history"])?;
    assert!(told.contains("changed: file:/etc/motd\n    content: \"sha256:"), "{told}");
    assert!(told.contains("took generation 1 (sha256:"), "{told}");

    agent(&["pause", "--for", "2h", "--reason", "a fair"])?;
    let paused: Pause =
        wait_until("the server to hear of the pause", SOON, || Ok(detail(&fleet, "srv-1")?.paused_there))?;
    assert_eq!(paused.reason, "a fair");
    assert!(agent(&["status"])?.contains("Paused       until "));
    assert_eq!(
        detail(&fleet, "srv-1")?.device.compliance,
        Compliance::Unknown,
        "a device not looked at is not green"
    );
    let shown = fleet.server.muster(["device", "show", "srv-1"])?.ok()?.stdout;
    assert!(shown.contains("on the device until ") && shown.contains(": a fair"), "{shown}");

    device.write_file("/etc/motd", "theirs\n", 0o644)?;
    fleet.admin.save_profile("motd", &motd("two"))?;
    fleet.admin.assign("motd", "device:srv-1", Mode::Enforce)?;
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    wait_until("the new state to be accepted", SOON, || {
        let history: Vec<Value> = serde_json::from_str(&agent(&["history", "-o", "json"])?)?;
        let accepted = |entry: &Value| entry["event"] == "accepted" && entry["generation"] == 2;
        Ok(history.iter().any(accepted).then_some(()))
    })?;
    std::thread::park_timeout(Duration::from_secs(3));
    assert_eq!(device.read_file("/etc/motd")?, "theirs\n", "nothing is made so while it is paused");
    assert_ne!(detail(&fleet, "srv-1")?.device.compliance, Compliance::Compliant);

    agent(&["resume"])?;
    fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!(device.read_file("/etc/motd")?, "two\n");
    wait_until("the end of the pause to be heard", SOON, || {
        let detail = detail(&fleet, "srv-1")?;
        let green = detail.device.compliance == Compliance::Compliant;
        Ok((detail.paused_there.is_none() && green).then_some(()))
    })?;
    let history: Page<HistoryEntry> = fleet.admin.get("/devices/srv-1/history")?;
    for event in ["paused", "resumed"] {
        assert!(history.items.iter().any(|entry| entry.event == event), "{event}: {history:?}");
    }
    Ok(())
}

#[test]
fn a_lease_ends_although_the_device_is_paused() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    let end = muster_proto::Timestamp::from_system(std::time::SystemTime::now()).plus_seconds(20);
    let source = format!(
        "muster: 1\nprofile: visit\nresources:\n  - file: {{ path: /etc/visit, content: \"here\\n\", not_after: \"{end}\" }}\n"
    );
    fleet.admin.save_profile("visit", &source)?;
    fleet.admin.assign("visit", "device:srv-1", Mode::Enforce)?;
    fleet.admin.wait_until_applied("srv-1")?;
    ensure!(device.path("/etc/visit").exists(), "the lease was over before it began");
    device.exec(["muster-agent", "pause", "--for", "1h", "--reason", "away"])?.ok()?;
    wait_until("the lease to end", Duration::from_secs(60), || {
        Ok((!device.path("/etc/visit").exists()).then_some(()))
    })
}

#[test]
fn a_sealed_machine_forgets_who_it_was_and_its_clone_enrolls_as_a_new_device() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &["srv-1"])?;
    let token =
        NewToken { labels: vec![], uses: Some(5), hours: None, serial: None, unknown: Unknown::Refuse };
    fleet.admin.import("serial,name,owner,labels\nS-clone,clone,,\n")?;
    let join_file = fleet.admin.post::<CreatedToken>("/tokens", &token)?.join_file;
    let device = fleet.devices.get_mut("srv-1").context("srv-1 is there")?;
    device.write_file("/etc/muster/join.toml", &join_file, 0o600)?;
    let refused = device.exec_with_input(["muster-agent", "seal"], "n\n")?;
    assert!(!refused.success() && device.path("/var/lib/muster/ledger.db").exists(), "it asks first");
    let said = device.exec(["muster-agent", "seal", "--yes"])?.ok()?.stdout;
    assert!(said.contains("the serial is S-srv-1: every clone would claim it"), "{said}");
    for gone in ["identity", "ledger.db", "ledger.db-wal"] {
        assert!(!device.path(format!("/var/lib/muster/{gone}")).exists(), "{gone} is wiped");
    }
    assert!(device.path("/etc/muster/join.toml").exists());
    std::thread::park_timeout(Duration::from_secs(3));
    assert_ne!(device.exec(["systemctl", "is-active", "muster-agent"])?.line(), "active", "it stays stopped");

    // The clone, with a serial of its own.
    device.write_file("/etc/muster/agent.toml", "serial = \"S-clone\"\n", 0o644)?;
    device.reboot()?;
    let clone = wait_until("the clone to enroll", SOON, || {
        let found: Page<muster_proto::rest::Device> = fleet.admin.get("/devices?q=S-clone")?;
        Ok(found.items.into_iter().find(|device| device.enrolled.is_some()))
    })?;
    assert_ne!(clone.id, detail(&fleet, "srv-1")?.device.id);
    Ok(())
}

#[test]
fn a_followed_profile_reaches_the_device_with_the_save_and_a_device_looks_when_it_is_told() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    let profile = |text: &str| {
        format!(
            "{}checks:\n  - id: no-forbidden\n    title: Nothing forbidden is there\n    violations: SELECT path FROM file WHERE \
             path = '/srv/forbidden'\n    severity: low\n",
            motd(text)
        )
    };
    fleet.admin.save_profile("motd", &profile("one"))?;
    let muster =
        |argv: &[&str]| -> Result<String> { Ok(fleet.server.muster(argv.iter().copied())?.ok()?.stdout) };
    let said = muster(&["assign", "motd", "--to", "everyone", "--follow", "--yes", "--wait"])?;
    assert!(
        said.contains("motd@1 is assigned to everyone") && said.contains("takes each revision"),
        "{said}"
    );

    let broken = "muster: 1\nprofile: broken\nresources:\n  - service: { name: not-there, running: true }\n";
    let (_, foreseen, _) = plan(&fleet, &network, broken, &[])?;
    assert!(foreseen.contains("systemd knows no such unit"), "{foreseen}");
    fleet.admin.save_profile("broken", broken)?;
    let begun = std::time::Instant::now();
    let failed = fleet.server.muster(["assign", "broken", "--to", "everyone", "--yes", "--wait", "5m"])?;
    assert!(begun.elapsed() < SOON, "what has failed is not waited for");
    assert!(
        failed.code == Some(1)
            && failed.stderr.contains("it failed on 1 device")
            && failed.stderr.contains("srv-1: service:not-there failed: "),
        "{failed:?}"
    );
    let assignments: Vec<AssignmentView> = fleet.admin.get("/assignments")?;
    let broken = assignments.iter().find(|one| one.profile == "broken").context("it is assigned")?;
    fleet.admin.unassign(&broken.id)?;
    fleet.admin.wait_until_applied("srv-1")?;

    let file = network.folder().join("motd.yaml");
    std::fs::write(&file, profile("two")).context("writing the profile")?;
    let file = file.to_str().context("the run folder's name is text")?;
    let unasked = fleet.server.muster(["profile", "apply", file])?;
    assert!(
        unasked.code == Some(1)
            && unasked.stderr.contains("to 1 device at once")
            && unasked.stderr.contains("--yes"),
        "{unasked:?}"
    );
    let said = muster(&["profile", "apply", file, "--yes"])?;
    assert!(said.contains("everyone (1 device) follows the profile and has motd@2 now"), "{said}");
    fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!(device.read_file("/etc/motd")?, "two\n");

    let compliance = || Ok::<_, anyhow::Error>(detail(&fleet, "srv-1")?.device.compliance);
    wait_until("the device to be compliant", SOON, || {
        Ok((compliance()? == Compliance::Compliant).then_some(()))
    })?;
    device.write_file("/srv/forbidden", "x", 0o644)?;
    std::thread::park_timeout(Duration::from_secs(3));
    assert_eq!(
        compliance()?,
        Compliance::Compliant,
        "no file of its own: found by the next look, within 15 minutes"
    );
    let said = muster(&["device", "apply-now", "srv-1"])?;
    assert!(said.contains("srv-1 was told"), "{said}");
    wait_until("the check to fail", SOON, || Ok((compliance()? == Compliance::Failing).then_some(())))?;

    device.exec(["systemctl", "stop", "muster-agent"])?.ok()?;
    let refused = wait_until("the server to see that the device is gone", SOON, || {
        let said = fleet.server.muster(["device", "apply-now", "srv-1"])?;
        Ok((said.code == Some(1)).then_some(said.stderr))
    })?;
    assert!(refused.contains("srv-1 is not connected"), "{refused}");
    Ok(())
}
