//! `muster why` names the true cause: one fault after another is put into real devices, and the chain that an admin
//! reads is compared with it. Each list below is one group of faults.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{Cause, CreatedToken, DeviceDetail, NewToken, Unknown};
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, PACKAGES_URL, Packages, wait_until};

const SOON: Duration = Duration::from_secs(60);

/// A fault as the admin reads of it: what `why` calls it, and what its sentence must say.
struct Fault {
    subject: &'static str,
    says: &'static [&'static str],
}

const fn fault(subject: &'static str, says: &'static [&'static str]) -> Fault {
    Fault { subject, says }
}

/// Resources that can't be made so, on one device under one profile.
const RESOURCES: [Fault; 20] = [
    fault("package:no-such-package", &["Unable to locate package no-such-package"]),
    fault("package:nginx-light", &["no repository of this device has nginx-light >= 99"]),
    fault("repository:nowhere", &["does not have a Release file"]),
    fault("repository:forged", &["NO_PUBKEY"]),
    fault("service:ghost", &["ghost.service does not exist"]),
    fault("service:breaks", &["failed (failed) right after it was started"]),
    fault("service:elsewhere", &["ConditionPathExists=/nowhere/at/all is not met"]),
    fault("service:masked", &["masked.service is masked"]),
    fault("file:/nowhere/below", &["the directory /nowhere does not exist"]),
    fault("file:/srv/is-a-directory", &["there is a directory in its place"]),
    fault("file:/srv/two-names", &["2 hard links"]),
    fault("file:/srv/pipe", &["there is a FIFO in its place"]),
    fault(
        "file:/home/mallory/way/below",
        &["way is a symbolic link that someone other than root could have placed"],
    ),
    fault("file:/mnt/read-only/file", &["Read-only file system"]),
    fault("file:/mnt/full/file", &["No space left"]),
    fault("file:/srv/owned", &["the account nobody-here does not exist"]),
    fault("directory:/srv/is-a-file", &["there is a regular file in its place"]),
    fault("link:/srv/is-full", &["there is a directory in its place"]),
    fault("group:taken", &["gid 50 is taken by the group staff"]),
    fault("account:twin", &["uid 7001 is taken by the account mallory"]),
];

const PROFILE: &str = r#"muster: 1
profile: faults
resources:
  - package: { name: no-such-package }
  - package: { name: nginx-light, version: ">= 99" }
  - repository: { name: nowhere, url: URL/nowhere, suite: stable, components: [main], key: "CORP" }
  - repository: { name: forged, url: URL/corp, suite: stable, components: [main], key: "DEBIAN" }
  - service: { name: ghost, running: true }
  - service: { name: breaks, running: true }
  - service: { name: elsewhere, running: true }
  - service: { name: masked, running: true }
  - file: { path: /nowhere/below, content: x }
  - file: { path: /srv/is-a-directory, content: x }
  - file: { path: /srv/two-names, content: x }
  - file: { path: /srv/pipe, content: x }
  - file: { path: /home/mallory/way/below, content: x }
  - file: { path: /mnt/read-only/file, content: x }
  - file: { path: /mnt/full/file, content: "LONG" }
  - file: { path: /srv/owned, content: x, owner: nobody-here }
  - file: { path: /srv/fine, content: x }
  - directory: { path: /srv/is-a-file }
  - link: { path: /srv/is-full, target: /etc }
  - group: { name: taken, gid: 50 }
  - account: { name: twin, uid: 7001 }
"#;

/// What stands in the way of them.
const OBSTACLES: &str = r#"set -e
useradd -m -u 7001 mallory
unit() { printf '[Unit]\n%s\n[Service]\nExecStart=%s\n' "$2" "$3" >/etc/systemd/system/$1.service; }
unit breaks '' /bin/false
unit elsewhere ConditionPathExists=/nowhere/at/all '/bin/sleep 1000'
systemctl daemon-reload
systemctl mask masked.service
mkdir -p /srv/is-a-directory /srv/is-full/of /mnt/read-only /mnt/full
echo one >/srv/two-names
ln /srv/two-names /srv/second-name
mkfifo /srv/pipe
echo text >/srv/is-a-file
runuser -u mallory -- ln -s /srv /home/mallory/way
mount -t tmpfs -o ro none /mnt/read-only
mount -t tmpfs -o size=4k none /mnt/full
"#;

/// Checks that fail, or that can't be found out.
const CHECKS: [Fault; 7] = [
    fault("rows", &["fails: 1 row"]),
    fault("no-row", &["fails: the question found no row"]),
    fault("no-table", &["could not be found out", "no such table"]),
    fault("no-column", &["could not be found out", "no such column"]),
    fault("endless", &["could not be found out", "did not end within its time limit"]),
    fault("greedy", &["could not be found out", "the query is too large"]),
    fault("everything", &["could not be found out", "it needs path or directory in WHERE"]),
];

const CHECKED: &str = r#"muster: 1
profile: checked
resources:
  - file: { path: /srv/fine, content: x }
checks:
  - { id: fine, title: Root is there, query: "SELECT 1 FROM users WHERE username = 'root'" }
  - { id: rows, title: Mallory is not there, violations: "SELECT username FROM users WHERE username = 'mallory'" }
  - { id: no-row, title: Nobody is there, query: "SELECT 1 FROM users WHERE username = 'no such'" }
  - { id: no-table, title: A table, query: SELECT 1 FROM no_such_table }
  - { id: no-column, title: A column, query: SELECT colour FROM users }
  - { id: endless, title: An end, query: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n" }
  - { id: greedy, title: A text, query: "SELECT printf('%.*c', 900000000, 'x')" }
  - { id: everything, title: A file, query: SELECT 1 FROM file }
"#;

/// The faults of how a device stands, one device each.
const STANDING: [Fault; 9] = [
    fault("link:/srv/denied", &["owner denies link"]),
    fault("file:/srv/drifts", &["drifted"]),
    fault("file:/etc/issue.net", &["conflict", "one", "two"]),
    fault("paused", &["a newer state waits while it is paused", "late@1"]),
    fault("there", &["paused on the device until", "a fair"]),
    fault("offline", &["is not connected: generation 1 waits for it, 0 was applied last"]),
    fault("stopped", &["is not connected: generation 1 waits for it, 0 was applied last"]),
    fault("stale", &["has not been heard of in time"]),
    fault("busy", &["is at work on generation 1"]),
];

/// Why a device does not enroll.
const OUTSIDE: [Fault; 7] = [
    fault("never-on", &["registered, and never seen"]),
    fault("used-up", &["refused from", "the token is used up"]),
    fault("expired", &["refused from", "the token ended at 2001-"]),
    fault("revoked-token", &["refused from", "the token was revoked"]),
    fault("mixed-up", &["serial \"S-never-on\" was refused from", "the token is for serial S-mixed-up"]),
    fault("taken", &["refused from", "another key is enrolled for this serial"]),
    fault("waiting", &["waits for an admin's approval"]),
];

const ALL: usize = RESOURCES.len() + CHECKS.len() + STANDING.len() + OUTSIDE.len();
const _: () = assert!(ALL >= 30, "the claim is 30 faults");

/// What `muster why` answers for a device.
fn why(fleet: &Fleet<'_>, device: &str) -> Result<Vec<Cause>> {
    let said = fleet.server.muster(["why", device, "-o", "json"])?.ok()?;
    serde_json::from_str(&said.stdout).context("reading the causes")
}

fn detail(fleet: &Fleet<'_>, device: &str) -> Result<DeviceDetail> {
    fleet.admin.get(&format!("/devices/{device}"))
}

/// Each fault is named with its true cause, and nothing else is.
fn compare(faults: &[Fault], causes: &[Cause]) {
    let told = |fault: &Fault| {
        let cause = causes.iter().find(|cause| cause.subject == fault.subject);
        cause.is_some_and(|cause| fault.says.iter().all(|part| cause.problem.contains(part)))
    };
    let missed: Vec<_> = faults.iter().filter(|fault| !told(fault)).map(|fault| fault.subject).collect();
    let named = |cause: &&Cause| faults.iter().any(|fault| fault.subject == cause.subject);
    let lines: Vec<_> = causes.iter().map(|cause| format!("{}: {}", cause.subject, cause.problem)).collect();
    let invented = causes.iter().filter(|cause| !named(cause)).count();
    assert!(missed.is_empty() && invented == 0, "not told: {missed:?}\nsaid:\n{}", lines.join("\n"));
    assert_eq!(causes.len(), faults.len(), "{}", lines.join("\n"));
}

/// Each cause leads to the assignment and to who made it.
fn chained(causes: &[Cause], assignment: &str) {
    for cause in causes {
        assert_eq!(cause.assignment.as_deref(), Some(assignment), "{cause:?}");
        assert!(cause.assigned_by.as_ref().is_some_and(|who| who.contains("system-tests")), "{cause:?}");
    }
}

#[test]
fn of_twenty_resources_that_can_not_be_made_so_each_says_what_stands_in_the_way() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    fleet.device("srv-1")?.exec(["sh", "-c", OBSTACLES])?.ok()?;
    let key = |name| -> Result<String> { Ok(Packages::public_key(name)?.replace('\n', "\\n")) };
    let source = PROFILE
        .replace("URL", PACKAGES_URL)
        .replace("CORP", &key("corp")?)
        .replace("DEBIAN", &key("debian")?)
        .replace("LONG", &"long ".repeat(4_000));
    fleet.admin.save_profile("faults", &source)?;
    fleet.admin.assign("faults", "device:srv-1", Mode::Enforce)?;
    wait_until("every resource to have been tried", Duration::from_secs(120), || {
        Ok((fleet.admin.resources("srv-1")?.len() > RESOURCES.len()).then_some(()))
    })?;
    let causes = why(&fleet, "srv-1")?;
    compare(&RESOURCES, &causes);
    chained(&causes, "faults@1 to device:srv-1");
    Ok(())
}

#[test]
fn of_checks_that_fail_or_can_not_be_found_out_each_says_which_it_is() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    fleet.log_in()?;
    fleet.device("srv-1")?.exec(["useradd", "mallory"])?.ok()?;
    fleet.admin.save_profile("checked", CHECKED)?;
    fleet.admin.assign("checked", "device:srv-1", Mode::Enforce)?;
    wait_until("every check to have been tried", Duration::from_secs(120), || {
        Ok((why(&fleet, "srv-1")?.len() >= CHECKS.len()).then_some(()))
    })?;
    let causes = why(&fleet, "srv-1")?;
    compare(&CHECKS, &causes);
    chained(&causes, "checked@1 to device:srv-1");
    Ok(())
}

/// Saves a profile of one resource and assigns it.
fn assign_one(fleet: &Fleet<'_>, profile: &str, resource: &str, target: &str, mode: Mode) -> Result<()> {
    let source = format!("muster: 1\nprofile: {profile}\nresources:\n  - {resource}\n");
    fleet.admin.save_profile(profile, &source)?;
    fleet.admin.assign(profile, target, mode)?;
    Ok(())
}

/// Changes the server's record, as time alone would.
fn edit(fleet: &Fleet<'_>, sql: &str) -> Result<()> {
    let database = fleet.server.data().join("muster.db");
    let edited = Command::new("sqlite3").arg("-cmd").arg(".timeout 5000").arg(&database).arg(sql).output()?;
    ensure!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    Ok(())
}

/// Waits until `why` tells this fault of this device, and nothing else.
fn told(fleet: &Fleet<'_>, device: &str, fault: &Fault) -> Result<()> {
    let told = wait_until("the fault to be told", SOON, || {
        let causes = why(fleet, device)?;
        let told = |cause: &Cause| fault.says.iter().all(|part| cause.problem.contains(part));
        Ok((causes.len() == 1 && causes[0].subject == fault.subject && told(&causes[0])).then_some(()))
    });
    told.with_context(|| format!("{device}: {:#?}", why(fleet, device)))
}

const STANDING_DEVICES: [&str; 9] =
    ["denies", "drifts", "torn", "paused", "there", "offline", "stopped", "stale", "busy"];

#[test]
fn a_device_that_is_held_back_or_away_says_by_what() -> Result<()> {
    let network = Network::create()?;
    let mut fleet = Fleet::enroll(&network, &STANDING_DEVICES)?;
    fleet.log_in()?;
    let late = "file: { path: /srv/late, content: x }";

    let denies = fleet.device("denies")?;
    denies.write_file("/etc/muster/agent.toml", "serial = \"S-denies\"\ndeny_kinds = [\"link\"]\n", 0o644)?;
    denies.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    assign_one(&fleet, "links", "link: { path: /srv/denied, target: /etc }", "device:denies", Mode::Enforce)?;
    let drifts = "file: { path: /srv/drifts, content: x }";
    assign_one(&fleet, "looks", drifts, "device:drifts", Mode::Audit)?;
    let issue = |text: &str| format!("file: {{ path: /etc/issue.net, content: {text} }}");
    assign_one(&fleet, "one", &issue("one"), "device:torn", Mode::Enforce)?;
    assign_one(&fleet, "two", &issue("two"), "label:late", Mode::Enforce)?;
    let patched = fleet.admin.request("PATCH", "/devices/torn", Some(r#"{"labels":["late"]}"#))?;
    ensure!(patched.status == 200, "{}", patched.body);

    fleet.server.muster(["pause", "device:paused"])?.ok()?;
    let there = ["muster-agent", "pause", "--for", "2h", "--reason", "a fair"];
    fleet.device("there")?.exec(there)?.ok()?;
    for away in ["offline", "stale"] {
        fleet.device(away)?.cut_off()?;
    }
    fleet.device("stopped")?.exec(["systemctl", "stop", "muster-agent"])?.ok()?;
    // Whoever holds the lock of the package database keeps the agent waiting.
    let busy = fleet.device("busy")?;
    busy.exec(["systemd-run", "--unit=lock-holder", "perl", "-MFcntl", "-e", HOLD_LOCK])?.ok()?;
    assign_one(&fleet, "slow", "package: { name: nginx-light }", "device:busy", Mode::Enforce)?;
    assign_one(&fleet, "late", late, "device:paused", Mode::Enforce)?;
    for (profile, away) in [("late-2", "offline"), ("late-3", "stopped"), ("late-4", "stale")] {
        wait_until("the link to be gone", Duration::from_secs(180), || {
            Ok((!detail(&fleet, away)?.device.connected).then_some(()))
        })?;
        assign_one(&fleet, profile, late, &format!("device:{away}"), Mode::Enforce)?;
    }
    fleet.server.stop()?;
    edit(&fleet, "UPDATE device SET stale_at = 1000000, last_seen = 1000000 WHERE name = 'stale'")?;
    fleet.server.serve()?;
    for (device, fault) in STANDING_DEVICES.iter().zip(&STANDING) {
        told(&fleet, device, fault)?;
    }
    Ok(())
}

/// Holds dpkg's lock, which is a POSIX one: `flock` would not do.
const HOLD_LOCK: &str = r#"open(my $f, "+>", "/var/lib/dpkg/lock-frontend") or die;
my $l = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0);
fcntl($f, F_SETLK, $l) or die; sleep 600"#;

fn token(fleet: &Fleet<'_>, serial: Option<&str>, unknown: Unknown) -> Result<CreatedToken> {
    let (labels, uses, hours) = (Vec::new(), Some(1), None);
    fleet.admin.post("/tokens", &NewToken { labels, uses, hours, serial: serial.map(str::to_owned), unknown })
}

/// Lets a machine try to join with this serial.
fn join(machine: &Device<'_>, serial: &str, made: &CreatedToken) -> Result<()> {
    machine.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
    machine.exec(["rm", "-rf", "/var/lib/muster"])?.ok()?;
    machine.write_file("/etc/muster/agent.toml", format!("serial = \"{serial}\"\n"), 0o644)?;
    machine.write_file("/etc/muster/join.toml", &made.join_file, 0o600)?;
    machine.exec(["systemctl", "start", "muster-agent"])?.ok()?;
    Ok(())
}

#[test]
fn a_device_that_does_not_enroll_says_which_step_failed() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["taken"])?;
    fleet.log_in()?;
    let names = ["never-on", "used-up", "expired", "revoked-token", "mixed-up"];
    let rows: String = names.iter().map(|name| format!("S-{name},{name},,\n")).collect();
    fleet.admin.import(&format!("serial,name,owner,labels\n{rows}"))?;
    let machine = fleet.boot_stranger(&network, "machine")?;

    told(&fleet, "never-on", &OUTSIDE[0])?;
    let used_up = token(&fleet, Some("S-used-up"), Unknown::Refuse)?;
    edit(&fleet, &format!("UPDATE token SET uses_left = 0 WHERE id = '{}'", used_up.token.id))?;
    let expired = token(&fleet, None, Unknown::Refuse)?;
    edit(&fleet, &format!("UPDATE token SET expires = 1000000000000000 WHERE id = '{}'", expired.token.id))?;
    let revoked = token(&fleet, None, Unknown::Refuse)?;
    fleet.server.muster(["token", "revoke", &revoked.token.id])?.ok()?;
    let bound = token(&fleet, Some("S-mixed-up"), Unknown::Refuse)?;
    let shared = token(&fleet, None, Unknown::Pending)?;
    fleet.device("taken")?.exec(["systemctl", "stop", "muster-agent"])?.ok()?;

    let tries = [
        ("S-used-up", &used_up, "used-up"),
        ("S-expired", &expired, "expired"),
        ("S-revoked-token", &revoked, "revoked-token"),
        ("S-never-on", &bound, "mixed-up"),
        ("S-taken", &shared, "taken"),
        ("S-waiting", &shared, "S-waiting"),
    ];
    for ((serial, made, device), fault) in tries.into_iter().zip(&OUTSIDE[1..]) {
        join(&machine, serial, made)?;
        if device == "S-waiting" {
            let waits = || Ok(why(&fleet, device).is_ok_and(|causes| !causes.is_empty()).then_some(()));
            wait_until("the machine to wait", SOON, waits)?;
            let causes = why(&fleet, device)?;
            assert!(causes.len() == 1 && causes[0].problem.contains(fault.says[0]), "{causes:?}");
        } else {
            told(&fleet, device, fault)?;
        }
    }
    // What the machine with the wrong serial was refused for is told of both: whose serial, and whose token.
    let never_on = why(&fleet, "never-on")?;
    assert!(never_on[0].problem.contains("the token is for serial S-mixed-up"), "{never_on:?}");
    assert!(never_on[0].remedy.as_ref().is_some_and(|remedy| remedy.contains("S-never-on")), "{never_on:?}");
    Ok(())
}
