//! Enrollment on real devices: every refusal, approval, revocation, and a crash at any step on either side.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{
    AuditEntry, CreatedToken, Device as DeviceView, DeviceDetail, DeviceState, NewToken, Page, Token, Unknown,
};
use muster_proto::state::Mode;
use muster_tests::{Crash, Device, Fleet, Network, wait_until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
const IDENTITY: &str = "/var/lib/muster/identity/identity.pem";
const JOIN_FILE: &str = "/etc/muster/join.toml";

/// A token for one unnamed machine; unknown serials are refused.
fn shared() -> NewToken {
    NewToken { labels: vec![], uses: Some(1), hours: None, serial: None, unknown: Unknown::Refuse }
}

fn make(fleet: &Fleet<'_>, wanted: &NewToken) -> Result<CreatedToken> {
    fleet.admin.post("/tokens", wanted)
}

/// The token as the server has it now.
fn token(fleet: &Fleet<'_>, id: &str) -> Result<Token> {
    let tokens: Vec<Token> = fleet.admin.get("/tokens")?;
    tokens.into_iter().find(|token| token.id == id).context("the token is not listed")
}

fn detail(fleet: &Fleet<'_>, device: &str) -> Result<DeviceDetail> {
    fleet.admin.get(&format!("/devices/{device}"))
}

fn audit(fleet: &Fleet<'_>) -> Result<Vec<AuditEntry>> {
    let said = fleet.server.muster(["audit", "-o", "json", "--limit", "1000"])?.ok()?;
    serde_json::from_str(&said.stdout).context("reading the audit")
}

/// Stops the agent and gives the machine a serial and a join file, as someone with root on it could.
fn prepare(device: &Device<'_>, serial: &str, join_file: &str) -> Result<()> {
    device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    device.write_file("/etc/muster/agent.toml", format!("serial = \"{serial}\"\n"), 0o644)?;
    device.write_file(JOIN_FILE, join_file, 0o600)
}

fn start(device: &Device<'_>) -> Result<()> {
    let started = device.exec(["systemctl", "start", "muster-agent"])?.ok();
    started.map(|_| ()).with_context(|| format!("the agent said: {}", device.journal("muster-agent")))
}

/// Makes the machine a fresh one: no identity, no record of its own.
fn forget(device: &Device<'_>) -> Result<()> {
    device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    device.exec(["rm", "-rf", "/var/lib/muster", JOIN_FILE])?.ok()?;
    Ok(())
}

fn wait_until_enrolled(fleet: &Fleet<'_>, device: &Device<'_>, serial: &str) -> Result<DeviceView> {
    wait_until("the device to enroll", SOON, || {
        let view = detail(fleet, serial)?.device;
        let known = view.enrolled.is_some() && !device.path(JOIN_FILE).exists();
        Ok((known && device.path(IDENTITY).exists()).then_some(view))
    })
    .with_context(|| {
        format!("the agent said: {}\nthe server said: {}", device.journal("muster-agent"), fleet.server.log())
    })
}

/// The id that the device has for itself.
fn own_id(device: &Device<'_>) -> Result<String> {
    // It exits with 1 until the server is heard, which comes a moment later.
    let status = device.exec(["muster-agent", "status", "-o", "json"])?;
    let status: Value = serde_json::from_str(&status.stdout)?;
    Ok(status["device"].as_str().context("no device in the status")?.to_owned())
}

/// The references of refusals that the agent has logged.
fn references(device: &Device<'_>) -> BTreeSet<String> {
    let journal = device.journal("muster-agent");
    let after = journal.split("(reference ").skip(1);
    after.filter_map(|text| text.split(')').next()).map(str::to_owned).collect()
}

#[test]
fn each_refusal_is_a_reference_to_the_device_and_a_reason_to_the_admin() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    fleet.admin.import("serial,name,owner,labels\nS-first,first,,\nS-second,second,,\nS-other,other,,\n")?;
    let device = fleet.boot_stranger(&network, "intruder")?;
    let used_up = make(&fleet, &shared())?;
    prepare(&device, "S-first", &used_up.join_file)?;
    start(&device)?;
    let first = wait_until_enrolled(&fleet, &device, "S-first")?;
    forget(&device)?;

    let expired = make(&fleet, &shared())?;
    let revoked = make(&fleet, &shared())?;
    fleet.server.muster(["token", "revoke", &revoked.token.id])?.ok()?;
    let end = format!("UPDATE token SET expires = 1000000000000000 WHERE id = '{}'", expired.token.id);
    let database = fleet.server.data().join("muster.db");
    let edited =
        Command::new("sqlite3").arg("-cmd").arg(".timeout 5000").arg(&database).arg(&end).output()?;
    ensure!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    let wrong = make(&fleet, &shared())?.join_file.replace("token = \"", "token = \"x");
    let bound = make(&fleet, &NewToken { serial: Some("S-other".to_owned()), ..shared() })?;
    let unused = make(&fleet, &NewToken { uses: Some(9), ..shared() })?;

    let mut known = references(&device);
    let mut refused = |serial: &str, join_file: &str, reason: &str| -> Result<()> {
        prepare(&device, serial, join_file)?;
        start(&device)?;
        let reference = wait_until("a refusal in the agent's journal", SOON, || {
            Ok(references(&device).into_iter().find(|reference| !known.contains(reference)))
        })
        .with_context(|| format!("{reason}: {}", device.journal("muster-agent")))?;
        let journal = device.journal("muster-agent");
        assert!(!journal.contains(reason), "a stranger learned that {reason}: {journal}");
        assert!(!device.path(IDENTITY).exists(), "{reason}: and yet there is an identity");
        let audit = audit(&fleet)?;
        let entry = audit.iter().find(|entry| entry.target == reference).context("not in the audit")?;
        let exact = entry.detail["reason"].as_str().unwrap_or_default();
        assert!(exact.starts_with(reason), "expected {reason:?}: {entry:?}");
        assert_eq!((entry.actor.as_str(), entry.action.as_str()), ("stranger", "enrollment.refuse"));
        // It asks again and again, and each time it is told another reference.
        device.exec(["systemctl", "stop", "muster-agent"])?.ok()?;
        known = references(&device);
        Ok(())
    };
    refused("S-second", &used_up.join_file, "the token is used up")?;
    refused("S-second", &expired.join_file, "the token ended at 2001-")?;
    refused("S-second", &revoked.join_file, "the token was revoked")?;
    refused("S-second", &wrong, "no such token")?;
    refused("S-second", &bound.join_file, "the token is for serial S-other")?;
    refused("S-nobody", &unused.join_file, "the serial is not registered")?;
    refused("S-first", &unused.join_file, "another key is enrolled for this serial")?;
    fleet.server.muster(["device", "revoke", "first", "--yes"])?.ok()?;
    refused("S-first", &unused.join_file, "the device was revoked")?;

    assert_eq!(token(&fleet, &unused.token.id)?.uses_left, 9, "a refusal costs no use");
    assert_eq!(detail(&fleet, "S-second")?.device.state, DeviceState::Registered);
    assert_eq!(detail(&fleet, "S-first")?.device.id, first.id);
    let devices: Page<DeviceView> = fleet.admin.get("/devices")?;
    assert_eq!(devices.total, 3, "a refusal makes no record");
    Ok(())
}

#[test]
fn a_server_with_another_root_than_the_join_file_says_never_sees_the_token() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    fleet.admin.import("serial,name,owner,labels\nS-1,srv-1,,\n")?;
    let device = fleet.boot_stranger(&network, "srv-1")?;
    let made = make(&fleet, &shared())?;
    let other = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let doctored = made.join_file.replace(&fleet.server.fingerprint()?, &other);
    assert_ne!(doctored, made.join_file);
    prepare(&device, "S-1", &doctored)?;
    start(&device)?;
    wait_until("the agent to turn the server down", SOON, || {
        Ok(device.journal("muster-agent").contains("no trusted connection").then_some(()))
    })?;
    assert!(references(&device).is_empty(), "nothing was asked, so nothing was refused");
    assert_eq!(token(&fleet, &made.token.id)?.uses_left, 1);
    assert_eq!(detail(&fleet, "S-1")?.device.state, DeviceState::Registered);
    Ok(())
}

#[test]
fn a_revoked_device_is_cut_off_and_stays_out() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    let device = fleet.device("srv-1")?;
    wait_until("the link to be up", SOON, || Ok(detail(&fleet, "srv-1")?.device.connected.then_some(())))?;
    fleet.server.muster(["device", "revoke", "srv-1", "--yes"])?.ok()?;
    wait_until("the link to be cut", Duration::from_secs(5), || {
        Ok((!detail(&fleet, "srv-1")?.device.connected).then_some(()))
    })?;
    let last_seen = detail(&fleet, "srv-1")?.device.last_seen;
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    let turned_away = || device.journal("muster-agent").matches("trying again").count();
    wait_until("the agent to be turned away", SOON, || Ok((turned_away() > 0).then_some(())))?;
    let revoked = detail(&fleet, "srv-1")?.device;
    assert_eq!((revoked.state, revoked.connected), (DeviceState::Revoked, false));
    assert_eq!(revoked.last_seen, last_seen, "a revoked device is not heard");
    let why = fleet.server.muster(["why", "srv-1"])?.ok()?.stdout;
    for part in ["revoked by admin:", "muster device allow-reenroll srv-1", "--serial S-srv-1"] {
        assert!(why.contains(part), "{part:?} is not in: {why}");
    }
    Ok(())
}

#[test]
fn a_waiting_device_shows_its_code_and_converges_once_approved() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    fleet.admin.save_profile(
        "motd",
        "muster: 1\nprofile: motd\nresources:\n  - file: { path: /etc/motd, content: \"ours\\n\" }\n",
    )?;
    fleet.admin.assign("motd", "everyone", Mode::Enforce)?;
    let device = fleet.boot_stranger(&network, "visitor")?;
    let made = make(&fleet, &NewToken { unknown: Unknown::Pending, ..shared() })?;
    prepare(&device, "S-visitor", &made.join_file)?;
    start(&device)?;
    let code = wait_until("the code in the journal", SOON, || {
        let journal = device.journal("muster-agent");
        let code = journal.split_once("waiting for approval, code ").map(|(_, rest)| rest.to_owned());
        Ok(code.and_then(|rest| rest.split_whitespace().next().map(str::to_owned)))
    })?;
    assert!(device.console().contains(&code), "the console shows the code: {}", device.console());
    let listed = fleet.server.muster(["device", "list", "--state", "pending", "-o", "json"])?.ok()?;
    let listed: Vec<DeviceView> = serde_json::from_str(&listed.stdout)?;
    assert_eq!(listed.iter().map(|device| device.serial.as_str()).collect::<Vec<_>>(), ["S-visitor"]);
    assert!(!device.path(IDENTITY).exists(), "nothing is issued before the approval");

    let wrong = fleet.server.muster(["device", "approve", "visitor", "--code", "AAA-AAA"])?;
    assert!(!wrong.success(), "a wrong code approves nobody: {}", wrong.stdout);
    fleet.server.muster(["device", "approve", "visitor", "--code", &code])?.ok()?;
    wait_until_enrolled(&fleet, &device, "S-visitor")?;
    fleet.admin.wait_until_applied("visitor")?;
    assert_eq!(device.read_file("/etc/motd")?, "ours\n");
    assert!(fleet.admin.resources("visitor")?.iter().all(|r| r.outcome != OutcomeKind::Failed));
    Ok(())
}

#[test]
fn the_join_file_is_gone_after_enrolling_and_its_token_is_kept_nowhere() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    fleet.admin.import("serial,name,owner,labels\nS-1,srv-1,,\n")?;
    let device = fleet.boot_stranger(&network, "srv-1")?;
    let made = make(&fleet, &shared())?;
    let secret = made.join_file.lines().find_map(|line| line.strip_prefix("token = ")).context("no token")?;
    let secret = secret.trim_matches('"');
    prepare(&device, "S-1", &made.join_file)?;
    start(&device)?;
    wait_until_enrolled(&fleet, &device, "S-1")?;
    device.exec(["journalctl", "--sync"])?.ok()?;
    for place in ["/etc", "/var", "/run", "/tmp", "/root"] {
        let found =
            device.exec_with_input(["grep", "-rlaF", "-f", "-", "-s", place], &format!("{secret}\n"))?;
        assert_eq!(found.line(), "", "the token is still there");
    }
    assert!(!device.exec(["journalctl", "--no-pager"])?.ok()?.stdout.contains(secret));
    assert!(!fleet.server.log().contains(secret), "the server logged the token");
    let modes = device.exec(["find", "/var/lib/muster", "-perm", "/077"])?.ok()?;
    assert_eq!(modes.line(), "", "only root may read what is below /var/lib/muster");
    Ok(())
}

/// Exactly one device for the serial, with one id on both sides, and one use of the token.
fn check_one(fleet: &Fleet<'_>, device: &Device<'_>, serial: &str, made: &CreatedToken) -> Result<()> {
    let view = wait_until_enrolled(fleet, device, serial)?;
    assert_eq!(own_id(device)?, view.id, "both sides name the same device");
    let devices: Page<DeviceView> = fleet.admin.get(&format!("/devices?q={serial}"))?;
    assert_eq!(devices.total, 1, "{:?}", devices.items);
    let token = token(fleet, &made.token.id)?;
    assert_eq!((token.uses, token.uses_left), (3, 2), "the token was used once");
    let audit = audit(fleet)?;
    let enrolled = |entry: &&AuditEntry| {
        entry.action == "device.enroll" && entry.detail["token"].as_str() == Some(&made.token.id)
    };
    assert_eq!(audit.iter().filter(enrolled).count(), 1, "it was let in once");
    wait_until("the link to be up", SOON, || Ok(detail(fleet, serial)?.device.connected.then_some(())))?;
    Ok(())
}

#[test]
fn an_agent_killed_at_any_sync_of_enrolling_ends_up_as_exactly_one_device() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    let device = fleet.boot_stranger(&network, "srv-1")?;
    device.install_tracer()?;
    let mut killed = 0;
    for (call, most) in [("fsync", 40), ("rename", 10)] {
        for nth in 1..most {
            let serial = format!("S-{call}-{nth}");
            fleet.admin.import(&format!("serial,name,owner,labels\n{serial},{call}-{nth},,\n"))?;
            let made = make(&fleet, &NewToken { uses: Some(3), ..shared() })?;
            forget(&device)?;
            prepare(&device, &serial, &made.join_file)?;
            let crash = device.kill_agent_at(call, nth, Duration::from_secs(5))?;
            start(&device)
                .and_then(|()| check_one(&fleet, &device, &serial, &made))
                .with_context(|| format!("after {call} number {nth}"))?;
            if crash == Crash::NotReached {
                break;
            }
            killed += 1;
        }
    }
    // Key, trust, certificate and their folder are each synced, and the token and the key's copy are erased.
    assert!(killed >= 10, "only {killed} places to be killed at");
    Ok(())
}

#[test]
fn a_server_killed_at_any_write_of_an_enrollment_ends_up_with_exactly_one_device() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &[])?;
    fleet.log_in()?;
    let device = fleet.boot_stranger(&network, "srv-1")?;
    let mut killed = 0;
    for call in ["fdatasync", "pwrite64"] {
        for nth in 1..30 {
            let serial = format!("S-{call}-{nth}");
            fleet.admin.import(&format!("serial,name,owner,labels\n{serial},{call}-{nth},,\n"))?;
            let made = make(&fleet, &NewToken { uses: Some(3), ..shared() })?;
            forget(&device)?;
            prepare(&device, &serial, &made.join_file)?;
            let pid = fleet.server.pid()?;
            let mut tracer = Tracer::attach(pid, &format!("inject={call}:signal=SIGKILL:when={nth}"))?;
            start(&device)?;
            let ended = wait_until("the server to be killed or the device to enroll", SOON, || {
                let dead = tracer.0.try_wait()?.is_some();
                Ok((dead || device.path(IDENTITY).exists()).then_some(dead))
            })?;
            drop(tracer);
            // The device may have had its certificate when the server was killed.
            let killed_later = !ended && fleet.server.fetch("/healthz").is_err();
            if ended || killed_later {
                fleet.server.kill9()?;
                fleet.server.serve()?;
                killed += 1;
            }
            check_one(&fleet, &device, &serial, &made).with_context(|| format!("{call} number {nth}"))?;
            if !ended {
                break;
            }
        }
    }
    assert!(killed >= 5, "only {killed} places to be killed at");
    Ok(())
}

/// `strace` attached to a process; dropping it lets go.
struct Tracer(Child);

impl Tracer {
    fn attach(pid: u32, inject: &str) -> Result<Self> {
        let tracer = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", inject, "-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
            .context("starting strace")?;
        wait_until("every thread to be traced", SOON, || {
            let mut all = true;
            for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
                let status = std::fs::read_to_string(task?.path().join("status"))?;
                all &= !status.contains("TracerPid:\t0\n");
            }
            Ok(all.then_some(()))
        })?;
        Ok(tracer)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended with what it traced.
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        self.0.wait().ok();
    }
}
