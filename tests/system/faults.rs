//! Crashes on real devices: the agent at chosen system calls of a convergence, the server while devices report.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{HistoryEntry, Page};
use muster_proto::state::Mode;
use muster_tests::{ACCOUNT_FILES, Crash, Device, Fleet, Network, wait_until};

/// System calls by which a convergence leaves traces, from which one on and in which steps one of them is the last.
const PLACES: [(&str, u32, u32); 12] = [
    ("fsync", 1, 1),
    ("fdatasync", 1, 2),
    ("pwrite64", 2, 7),
    ("rename", 1, 1),
    ("renameat", 1, 1),
    ("renameat2", 1, 1),
    ("linkat", 1, 1),
    ("fchmod", 1, 1),
    ("unlinkat", 1, 1),
    ("openat", 20, 20),
    ("close", 30, 40),
    ("sendmsg", 1, 3),
];

/// At most this many crashes for each system call.
const EACH: u32 = 10;

const FILE: &str = "/srv/faults/text";
const SMALL: &str = "/etc/faults.conf";
const ODD: &str = "/srv/faults/odd";
const RULE: &str = "/etc/sudoers.d/muster-faults";

fn text(round: u32) -> String {
    format!("round {round}\n").repeat(500)
}

/// Every round wants something else of each resource, and every other round one file less.
fn profile(round: u32) -> String {
    let mode = if round.is_multiple_of(2) { "0640" } else { "0644" };
    let odd = if round.is_multiple_of(2) {
        String::new()
    } else {
        format!("  - file: {{ path: {ODD}, content: odd }}\n")
    };
    format!(
        r#"muster: 1
profile: faults
resources:
  - group: {{ name: crew, gid: 4300 }}
  - account: {{ name: visitor, uid: 4301, full_name: "Round {round}", groups: [crew] }}
  - directory: {{ path: /srv/faults, mode: "0755" }}
  - file: {{ path: {FILE}, content: {:?}, mode: "{mode}" }}
  - file: {{ path: {SMALL}, content: "round {round}\n", mode: "{mode}", group: crew }}
  - link: {{ path: /srv/faults/current, target: /srv/round-{round} }}
  - sudo: {{ name: faults, who: visitor, commands: ["/usr/bin/echo {round}"], password: false }}
{odd}"#,
        text(round)
    )
}

/// What is on the device is all of this round.
fn check_applied(device: &Device<'_>, round: u32, when: &str) -> Result<()> {
    assert!(device.read_file(FILE)? == text(round), "{FILE} is not of round {round}");
    assert_eq!(device.read_file(SMALL)?, format!("round {round}\n"));
    let mode = if round.is_multiple_of(2) { "640" } else { "644" };
    let says = |argv: &[&str]| -> Result<String> { Ok(device.exec(argv)?.ok()?.line().to_owned()) };
    assert_eq!(says(&["stat", "-c", "%a %U %G", SMALL])?, format!("{mode} root crew"));
    assert_eq!(says(&["readlink", "/srv/faults/current"])?, format!("/srv/round-{round}"));
    assert_eq!(device.path(ODD).exists(), round % 2 == 1);
    assert!(says(&["getent", "passwd", "visitor"])?.contains(&format!(":Round {round}:")));
    assert!(device.read_file(RULE)?.contains(&format!("/usr/bin/echo {round}")));
    says(&["visudo", "-c", "-q"])?;
    let find =
        ["find", "/etc", "/srv", "/home", "/var/lib/muster", "-xdev", "-type", "f", "-name", ".muster*"];
    let left = says(&find)?;
    assert_eq!(left, "", "left behind {when}");
    Ok(())
}

/// Right after the crash a file is that of the last round or of this one, and never a part of one.
fn check_whole(device: &Device<'_>, round: u32) -> Result<()> {
    let found = device.read_file(FILE)?;
    assert!([text(round - 1), text(round)].contains(&found), "{FILE} is a part of a file");
    let found = device.read_file(SMALL)?;
    let rounds = [round - 1, round].map(|round| format!("round {round}\n"));
    assert!(rounds.contains(&found), "{SMALL}: {found:?}");
    device.exec(["visudo", "-c", "-q"])?.ok().context("sudo would refuse everyone")?;
    device.exec(["pwck", "-r", "-q"])?.ok().context("the accounts are damaged")?;
    Ok(())
}

#[test]
fn an_agent_killed_at_any_of_fifty_system_calls_leaves_nothing_half_done() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    device.install_tracer()?;
    device.write_file(SMALL, "mine\n", 0o600)?;
    let find = "find /etc /srv -xdev \\( -type f -printf '%p %m %u ' -exec sha256sum {} \\; \\) -o -printf '%p %y %l\\n' | sort";
    let look = || -> Result<BTreeSet<String>> {
        Ok(device.exec(["sh", "-c", find])?.ok()?.stdout.lines().map(str::to_owned).collect())
    };
    let before = look()?;
    let want = |round: u32| -> Result<String> {
        fleet.admin.save_profile("faults", &profile(round))?;
        Ok(fleet.admin.assign("faults", "device:srv-1", Mode::Enforce)?.id)
    };
    let mut round = 0;
    let mut assignment = want(round)?;
    fleet.admin.wait_until_applied("srv-1")?;
    check_applied(device, round, "at first")?;
    let mut killed = Vec::new();
    for (call, first, step) in PLACES {
        for turn in 0..EACH {
            let nth = first + turn * step;
            round += 1;
            device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
            assignment = want(round)?;
            let crash = device.kill_agent_at(call, nth, Duration::from_secs(4))?;
            check_whole(device, round).with_context(|| format!("after {call} number {nth}"))?;
            device.exec(["systemctl", "start", "muster-agent"])?.ok()?;
            fleet.admin.wait_until_applied("srv-1").with_context(|| format!("after {call} number {nth}"))?;
            check_applied(device, round, &format!("after {call} number {nth}"))?;
            if crash == Crash::NotReached {
                break;
            }
            killed.push(format!("{call} {nth}"));
        }
    }
    ensure!(killed.len() >= 50, "only {} crashes: {killed:?}", killed.len());

    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!(device.read_file(SMALL)?, "mine\n");
    let after = look()?;
    let differs: Vec<_> = before
        .symmetric_difference(&after)
        .filter(|line| !ACCOUNT_FILES.iter().any(|path| line.starts_with(path)))
        .collect();
    assert!(differs.is_empty(), "{differs:#?}");
    Ok(())
}

/// System calls among which a unit is stopped, written, enabled and started, and how many of each are the agent's last.
const AROUND_UNITS: [(&str, u32); 2] = [("sendmsg", 14), ("fsync", 4)];

#[test]
fn a_unit_of_musters_own_is_what_its_files_say_wherever_the_agent_was_killed() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &["srv-1"])?;
    let device = fleet.device("srv-1")?;
    device.install_tracer()?;
    let want = |round: u32| -> Result<String> {
        let timer = format!(
            "timer: {{ name: faults, command: [/usr/bin/echo, round-{round}], on_calendar: [daily], persistent: true }}"
        );
        let mount = format!(
            "mount: {{ where: /srv/faults/scratch, what: tmpfs, type: tmpfs, options: [size={}k] }}",
            64 * round
        );
        let source = format!("muster: 1\nprofile: faults\nresources:\n  - {timer}\n  - {mount}\n");
        fleet.admin.save_profile("faults", &source)?;
        Ok(fleet.admin.assign("faults", "device:srv-1", Mode::Enforce)?.id)
    };
    let says = |script: &str| -> Result<String> { Ok(device.exec(["sh", "-c", script])?.ok()?.stdout) };
    let look = "find /etc/systemd /srv /var/lib/systemd/timers -printf '%p %l\\n' 2>/dev/null | sort; systemctl list-units --all --no-legend '*faults*'";
    let before = says(look)?;
    let mut round = 1;
    let mut assignment = want(round)?;
    fleet.admin.wait_until_applied("srv-1")?;
    let mut killed = 0;
    for (call, most) in AROUND_UNITS {
        for nth in 1..=most {
            round += 1;
            device.exec(["systemctl", "stop", "muster-agent.path", "muster-agent.service"])?.ok()?;
            assignment = want(round)?;
            killed += u32::from(device.kill_agent_at(call, nth, Duration::from_secs(4))? == Crash::Killed);
            device.exec(["systemctl", "start", "muster-agent"])?.ok()?;
            let when = || format!("after {call} number {nth}");
            fleet.admin.wait_until_applied("srv-1").with_context(when)?;
            let runs = says(
                "systemctl is-active muster-timer-faults.timer; systemctl is-enabled muster-timer-faults.timer; systemctl show -P ExecStart muster-timer-faults.service",
            )?;
            let expected = format!("argv[]=/usr/bin/echo round-{round} ;");
            ensure!(runs.starts_with("active\nenabled\n") && runs.contains(&expected), "{}: {runs}", when());
            let options = says("findmnt -rno OPTIONS /srv/faults/scratch")?;
            ensure!(options.contains(&format!("size={}k", 64 * round)), "{}: {options}", when());
        }
    }
    ensure!(killed >= 10, "only {killed} crashes");
    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied("srv-1")?;
    assert_eq!(says(look)?, before);
    Ok(())
}

/// So many files drift in turn that none does often enough for its repairs to be counted in one event.
const DRIFTING: usize = 40;

fn drifting(number: usize) -> String {
    format!("/etc/drifting-{}", number % DRIFTING)
}

/// Changes managed files again and again until told to stop; gives how often one was repaired.
fn drift(device: &Device<'_>, stop: &AtomicBool) -> Result<usize> {
    let mut repairs = 0;
    while !stop.load(Ordering::Relaxed) {
        let path = drifting(repairs);
        device.write_file(&path, format!("theirs {repairs}\n"), 0o644)?;
        wait_until("the file to be repaired", Duration::from_secs(20), || {
            Ok((device.read_file(&path).is_ok_and(|text| text == "ours\n")).then_some(()))
        })
        .with_context(|| device.journal("muster-agent"))?;
        repairs += 1;
    }
    Ok(repairs)
}

#[test]
fn a_server_killed_ten_times_under_load_has_each_event_once() -> Result<()> {
    let network = Network::create()?;
    let names = ["srv-1", "srv-2"];
    let mut fleet = Fleet::enroll(&network, &names)?;
    let files: String = (0..DRIFTING)
        .map(|number| format!("  - file: {{ path: {}, content: \"ours\\n\" }}\n", drifting(number)))
        .collect();
    fleet.admin.save_profile("drifting", &format!("muster: 1\nprofile: drifting\nresources:\n{files}"))?;
    fleet.admin.assign("drifting", "everyone", Mode::Enforce)?;
    for name in names {
        fleet.admin.wait_until_applied(name)?;
    }
    let (server, devices) = (&mut fleet.server, &fleet.devices);
    let stop = AtomicBool::new(false);
    let repairs = thread::scope(|scope| -> Result<Vec<usize>> {
        let loops: Vec<_> = devices.values().map(|device| scope.spawn(|| drift(device, &stop))).collect();
        let crashes = (0..10).try_for_each(|turn| {
            // Each time at another moment of what the devices do about twice a second.
            thread::park_timeout(Duration::from_millis(900 + 170 * turn));
            server.kill9()?;
            server.serve()
        });
        stop.store(true, Ordering::Relaxed);
        let repairs =
            loops.into_iter().map(|one| one.join().expect("a loop of repairs has panicked")).collect();
        crashes.and(repairs)
    })?;
    for (name, repairs) in names.into_iter().zip(repairs) {
        ensure!(repairs >= 10, "{name}: only {repairs} repairs");
        fleet.check_record(fleet.device(name)?)?;
        let page: Page<HistoryEntry> = fleet.admin.get(&format!("/devices/{name}/history?limit=200"))?;
        let changed = page.items.iter().filter(|entry| entry.event == "changed").count();
        // What was changed again before the agent had read it back counts as failed; the first made them what they are.
        let possible = DRIFTING + 10..=DRIFTING + repairs;
        assert!(possible.contains(&changed), "{name}: {changed} for {repairs} repairs: {:#?}", page.items);
    }
    Ok(())
}
