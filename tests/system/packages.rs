//! The packages as they ship: what they install runs confined, and purge leaves nothing behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest;
use muster_tests::{Admin, Artifacts, Device, Network, Server, repack, wait_until};

/// What an upgrade goes to.
const NEWER: &str = "99.0";

/// What any package leaves in the package manager's own records and what changes on a running machine by itself.
const NOT_COMPARED: [&str; 6] =
    ["/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log", "/var/tmp", "/var/lib/systemd"];

#[test]
fn purging_the_agent_package_leaves_nothing_of_it() -> Result<()> {
    let network = Network::create()?;
    let device = Device::boot(&network, "lap-ada")?;
    purge_leaves_nothing(&device, &Artifacts::find()?.agent_deb, "muster-agent", "/var/lib/muster")
}

#[test]
fn purging_the_server_package_leaves_nothing_of_it() -> Result<()> {
    let network = Network::create()?;
    let device = Device::boot(&network, "srv-muster")?;
    purge_leaves_nothing(&device, &Artifacts::find()?.server_deb, "muster-server", "/var/lib/muster-server")
}

#[test]
fn the_agent_waits_for_a_join_file_and_starts_when_one_arrives() -> Result<()> {
    let network = Network::create()?;
    let device = Device::boot(&network, "lap-ada")?;
    device.install_deb(&Artifacts::find()?.agent_deb)?;
    assert_eq!(device.exec(["systemctl", "is-enabled", "muster-agent.service"])?.line(), "enabled");
    assert_eq!(property(&device, "muster-agent.service", "ConditionResult")?, "no");
    assert_eq!(device.exec(["systemctl", "is-system-running"])?.line(), "running");

    device.write_file("/etc/muster/join.toml", "", 0o600)?;
    wait_until("the agent to be started", Duration::from_secs(20), || {
        Ok((property(&device, "muster-agent.service", "ConditionResult")? == "yes").then_some(()))
    })
}

#[test]
fn the_units_keep_the_confinement_they_promise() -> Result<()> {
    let network = Network::create()?;
    let device = Device::boot(&network, "srv-muster")?;
    let artifacts = Artifacts::find()?;
    device.install_deb(&artifacts.agent_deb)?;
    device.install_deb(&artifacts.server_deb)?;
    // systemd's own judgement, from 0 (confined) to 100 (not at all), and a bound that a lost line would break.
    for (unit, most_exposed) in [("muster-agent.service", 48), ("muster-server.service", 13)] {
        let verify = device.exec(["systemd-analyze", "verify", unit])?;
        let about_unit: Vec<&str> = verify.stderr.lines().filter(|line| line.contains("muster")).collect();
        assert!(about_unit.iter().all(|line| line.contains("man")), "{unit}: {about_unit:?}");
        let threshold = format!("--threshold={most_exposed}");
        device.exec(["systemd-analyze", "security", "--no-pager", &threshold, unit])?.ok()?;
    }
    Ok(())
}

#[test]
fn the_backup_timer_is_off_until_enabled_and_writes_what_can_be_restored() -> Result<()> {
    const BACKUP: &str = "/var/backups/muster-server.tar";
    const OF_UPGRADE: &str = "/var/backups/muster-server-0.0.9.tar";
    const OWN: &str = "/var/backups/muster-server-2026-11-26.tar";
    let network = Network::create()?;
    let device = Device::boot(&network, "srv-muster")?;
    device.install_deb(&Artifacts::find()?.server_deb)?;
    let timer = "muster-server-backup.timer";
    assert_eq!(device.exec(["systemctl", "is-enabled", timer])?.line(), "disabled");
    let setup =
        ["muster-server", "setup", "--name", "muster.test", "--trust-domain", "corp.example", "--yes"];
    device.exec(setup)?.ok()?;
    device.exec(["systemctl", "enable", "--now", timer])?.ok()?;
    device.exec(["systemctl", "start", "muster-server-backup.service"])?.ok()?;
    assert_eq!(device.exec(["stat", "-c", "%U %a", BACKUP])?.line(), "root 600");
    device.exec(["muster-server", "restore", BACKUP, "--data", "/var/lib/restored"])?.ok()?;
    for file in [OF_UPGRADE, OWN] {
        device.write_file(file, "a backup", 0o600)?;
    }
    device.exec(["apt-get", "-q", "-y", "purge", "muster-server"])?.ok()?;
    assert!(!device.path(format!("/etc/systemd/system/timers.target.wants/{timer}")).is_symlink());
    for file in [BACKUP, OF_UPGRADE] {
        assert!(!device.path(file).exists(), "{file} holds the server's keys, and the package wrote it");
    }
    assert!(device.path(OWN).exists(), "what an admin backed up by hand is the admin's");
    Ok(())
}

#[test]
fn an_upgrade_inside_a_package_transaction_keeps_the_identity_and_the_transaction() -> Result<()> {
    let network = Network::create()?;
    let artifacts = Artifacts::find()?;
    let mut server = Server::setup(&network, &artifacts)?;
    server.serve()?;
    let admin = Admin::first(&network, &server, "correct-horse-battery")?;
    admin.import("serial,name,owner,labels\nT-1,lap-ada,ada,laptop\n")?;
    let mut device = Device::prepare(&network, "lap-ada")?;
    device.install_agent(&artifacts.agent_deb, "T-1", &admin.join_file("T-1")?)?;
    device.start()?;
    wait_until_connected(&admin, "lap-ada")?;
    let enrolled: rest::Device = admin.get::<rest::DeviceDetail>("/devices/lap-ada")?.device;
    let identity = digests(&device, "/var/lib/muster/identity")?;
    let first_pid = property(&device, "muster-agent.service", "MainPID")?;

    device.copy_in(&repack(&network, &artifacts.agent_deb, NEWER)?, "/var/tmp/newer.deb")?;
    // As the agent itself runs apt: in a transient unit, which the upgrade of the agent must not end.
    let transaction =
        ["systemd-run", "--wait", "--unit=upgrade", "apt-get", "-q", "-y", "install", "/var/tmp/newer.deb"];
    device
        .exec_within(transaction, Duration::from_secs(120))?
        .ok()
        .with_context(|| device.journal("upgrade"))?;

    assert_eq!(device.exec(["dpkg-query", "-W", "-f", "${Version}", "muster-agent"])?.line(), NEWER);
    assert_ne!(property(&device, "muster-agent.service", "MainPID")?, first_pid, "the new binary runs");
    assert_eq!(property(&device, "muster-agent.service", "ActiveState")?, "active");
    assert_eq!(digests(&device, "/var/lib/muster/identity")?, identity);
    wait_until_connected(&admin, "lap-ada")?;
    let after: rest::Device = admin.get::<rest::DeviceDetail>("/devices/lap-ada")?.device;
    assert_eq!((after.id, after.enrolled), (enrolled.id, enrolled.enrolled));
    Ok(())
}

fn wait_until_connected(admin: &Admin<'_>, device: &str) -> Result<()> {
    wait_until("the device to be connected", Duration::from_secs(30), || {
        let detail: rest::DeviceDetail = admin.get(&format!("/devices/{device}"))?;
        Ok(detail.device.connected.then_some(()))
    })
}

fn digests(device: &Device<'_>, folder: &str) -> Result<Vec<String>> {
    let output = device.exec(["find", folder, "-type", "f", "-exec", "sha256sum", "{}", "+"])?.ok()?;
    let mut lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    ensure!(!lines.is_empty(), "{folder} has no files");
    Ok(lines)
}

fn purge_leaves_nothing(device: &Device<'_>, deb: &Path, package: &str, state: &str) -> Result<()> {
    let before = snapshot(device)?;
    device.install_deb(deb)?;
    device.exec(["install", "-d", "-m", "0700", state])?.ok()?;
    device.write_file(format!("{state}/something"), "kept until purge", 0o600)?;
    device.exec(["apt-get", "-q", "-y", "remove", package])?.ok()?;
    assert_eq!(device.read_file(format!("{state}/something"))?, "kept until purge");
    device.exec(["apt-get", "-q", "-y", "purge", package])?.ok()?;

    let after = snapshot(device)?;
    let differs: Vec<String> = before
        .iter()
        .filter(|(path, what)| after.get(*path) != Some(*what))
        .chain(after.iter().filter(|(path, _)| !before.contains_key(*path)))
        .map(|(path, what)| format!("{path}: {what}"))
        .collect();
    ensure!(differs.is_empty(), "left behind or changed:\n{}", differs.join("\n"));
    assert_eq!(device.exec(["dpkg-query", "-W", package])?.code, Some(1));
    Ok(())
}

/// Each file of the disk with its type, mode, owner and, where it is a file of the system's settings, its digest.
fn snapshot(device: &Device<'_>) -> Result<BTreeMap<String, String>> {
    let list = device.exec(["find", "/", "-xdev", "-printf", "%p\t%y %m %u %g %l\n"])?.ok()?.stdout;
    let mut files: BTreeMap<String, String> = list
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(path, _)| !NOT_COMPARED.iter().any(|prefix| path.starts_with(prefix)))
        .map(|(path, what)| (path.to_owned(), what.to_owned()))
        .collect();
    let digests = device.exec(["find", "/etc", "-type", "f", "-exec", "md5sum", "{}", "+"])?.ok()?.stdout;
    for (digest, path) in digests.lines().filter_map(|line| line.split_once("  ")) {
        // An account that came and went leaves a backup of the list and a used id; neither is the package's.
        if !path.ends_with('-') && !path.ends_with(".lock") {
            files.entry(path.to_owned()).and_modify(|what| what.push_str(digest));
        }
    }
    Ok(files)
}

fn property(device: &Device<'_>, unit: &str, name: &str) -> Result<String> {
    Ok(device.exec(["systemctl", "show", "--value", "-p", name, unit])?.ok()?.line().to_owned())
}
